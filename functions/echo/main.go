// Command echo is the smallest function: an aws-lambda-go handler that answers
// with the event it was given, byte for byte.
package main

import (
	"encoding/json"

	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	lambda.Start(func(event json.RawMessage) (json.RawMessage, error) {
		return event, nil
	})
}
