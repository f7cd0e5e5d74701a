// Command exit goes wrong by ending the process in the middle of an
// invocation, with the status of {"status":N}. With the environment variable
// EXIT_AT set to "init" it ends before its first event instead.
package main

import (
	"os"

	"github.com/aws/aws-lambda-go/lambda"
)

type request struct {
	Status int `json:"status"`
}

func main() {
	if os.Getenv("EXIT_AT") == "init" {
		os.Exit(3)
	}
	lambda.Start(func(in request) error {
		os.Exit(in.Status)
		return nil
	})
}
