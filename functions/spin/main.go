// Command spin goes wrong by never coming back: it loops, without a call and
// without a system call in the loop, until it is stopped. The
// environment variable SPIN_AT set to "init" makes it loop before its first event.
package main

import (
	"os"

	"github.com/aws/aws-lambda-go/lambda"
)

var turns uint64

func spin() (uint64, error) {
	for turns = 0; turns+1 != 0; turns++ {
		continue
	}
	return turns, nil
}

func main() {
	if os.Getenv("SPIN_AT") == "init" {
		_, _ = spin()
	}
	lambda.Start(spin)
}
