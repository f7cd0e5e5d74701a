// Command mirror is a function that answers with what it was told, so that a
// test sees what reached it. {"fail":true} makes it fail.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"log"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type answer struct {
	Event    json.RawMessage   `json:"event"`
	ARN      string            `json:"arn"`
	Version  string            `json:"version"`
	Custom   map[string]string `json:"custom"`
	Greeting string            `json:"greeting"`
}

func handle(ctx context.Context, event json.RawMessage) (*answer, error) {
	var in struct{ Fail bool }
	_ = json.Unmarshal(event, &in)
	if in.Fail {
		return nil, errors.New("failed as asked")
	}
	log.Print("a line of the log")
	lc, _ := lambdacontext.FromContext(ctx)
	return &answer{
		Event: event, ARN: lc.InvokedFunctionArn, Version: lambdacontext.FunctionVersion,
		Custom: lc.ClientContext.Custom, Greeting: os.Getenv("GREETING"),
	}, nil
}

func main() { lambda.Start(handle) }
