// Command go is an ordinary aws-lambda-go handler that says when it is entered: it
// writes to its standard output first, and answers how often it was. If its event is
// true it stays inside.
package main

import (
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
)

var count int

func main() {
	lambda.Start(func(stay bool) (int, error) {
		_, _ = os.Stdout.WriteString("!") // whoever measures sees if it is missing
		if stay {
			time.Sleep(time.Hour)
		}
		count++
		return count, nil
	})
}
