// Command mirror is a function that answers with what it was told, so that a
// test sees what reached it. {"fail":true} makes it fail, {"read":"FILE"} has it
// answer with what is in a file, too.
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
	Content  string            `json:"content,omitempty"`
}

func handle(ctx context.Context, event json.RawMessage) (*answer, error) {
	var in struct {
		Fail bool
		Read string
	}
	_ = json.Unmarshal(event, &in)
	if in.Fail {
		return nil, errors.New("failed as asked")
	}
	var content []byte
	if in.Read != "" {
		var err error
		if content, err = os.ReadFile(in.Read); err != nil {
			return nil, err
		}
	}
	log.Print("a line of the log")
	lc, _ := lambdacontext.FromContext(ctx)
	return &answer{
		Event: event, ARN: lc.InvokedFunctionArn, Version: lambdacontext.FunctionVersion,
		Custom: lc.ClientContext.Custom, Greeting: os.Getenv("GREETING"), Content: string(content),
	}, nil
}

func main() { lambda.Start(handle) }
