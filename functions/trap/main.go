// Command trap goes wrong by panicking. The event's "kind" chooses how: "panic"
// (a string, the default), "error" (an error value) or "nil" (a nil pointer is
// followed).
package main

import (
	"errors"

	"github.com/aws/aws-lambda-go/lambda"
)

type request struct {
	Kind string `json:"kind"`
}

func handle(in request) (string, error) {
	switch in.Kind {
	case "nil":
		var missing *request
		return missing.Kind, nil
	case "error":
		panic(errors.New("an error, thrown"))
	}
	panic("a panic, as asked for")
}

func main() { lambda.Start(handle) }
