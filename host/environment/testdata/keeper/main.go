// Command keeper keeps files in /tmp: with the environment variable KEEP one since
// its init, and one more with each invocation. It answers with how many it finds
// and how many invocations its memory has seen, this one included. With HANG its
// init does not end.
package main

import (
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
)

type found struct {
	Files, Invocations int
}

var seen int

func init() {
	if os.Getenv("HANG") != "" {
		time.Sleep(time.Hour)
	}
	if os.Getenv("KEEP") != "" {
		_ = os.WriteFile("/tmp/from-init", nil, 0o600)
	}
}

func main() {
	lambda.Start(func() (found, error) {
		entries, err := os.ReadDir("/tmp")
		if err != nil {
			return found{}, err
		}
		seen++
		kept, err := os.CreateTemp("/tmp", "kept-")
		if err != nil {
			return found{}, err
		}
		return found{len(entries), seen}, kept.Close()
	})
}
