// Command awslambda is an ordinary aws-lambda-go program which does, event by
// event, what such programs do. It knows nothing of Lambent.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing/iotest"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type request struct {
	Do    string          `json:"do"`
	Value json.RawMessage `json:"value"`
}

type customError struct{ code int }

func (e *customError) Error() string { return fmt.Sprintf("custom: %d", e.code) }

type valueError string

func (e valueError) Error() string { return string(e) }

var (
	count int
	left  = make(chan string, 1)
)

func handle(ctx context.Context, in request) (any, error) {
	switch in.Do {
	case "echo":
		return in.Value, nil
	case "nothing":
		return nil, nil
	case "reader":
		return strings.NewReader("not JSON at all"), nil
	case "broken reader":
		return io.MultiReader(strings.NewReader("half"), iotest.ErrReader(errors.New("the reader broke"))), nil
	case "big":
		return strings.Repeat("b", 1<<20), nil
	case "count":
		count++
		return count, nil
	case "background":
		go func() { time.Sleep(time.Millisecond); left <- "done" }()
		return nil, nil
	case "collect":
		return <-left, nil
	case "context":
		return describe(ctx), nil
	case "wait":
		<-ctx.Done()
		return nil, ctx.Err()
	case "error":
		return nil, errors.New("a plain error")
	case "pointer":
		return nil, &customError{7}
	case "value":
		return nil, valueError("a value")
	case "named":
		return nil, messages.InvokeResponse_Error{Type: "Named.Type", Message: "named by the handler"}
	case "panic":
		panic("a panic")
	case "panic error":
		panic(&customError{8})
	case "nil":
		var missing *request
		return missing.Do, nil
	case "exit":
		os.Exit(7)
	}
	return nil, fmt.Errorf("cannot do %q", in.Do)
}

func describe(ctx context.Context) map[string]any {
	lc, _ := lambdacontext.FromContext(ctx)
	deadline, _ := ctx.Deadline()
	return map[string]any{
		"requestID":     lc.AwsRequestID,
		"arn":           lc.InvokedFunctionArn,
		"identity":      lc.Identity.CognitoIdentityID,
		"pool":          lc.Identity.CognitoIdentityPoolID,
		"installation":  lc.ClientContext.Client.InstallationID,
		"custom":        lc.ClientContext.Custom["c"],
		"trace":         ctx.Value("x-amzn-trace-id"),
		"traceVariable": os.Getenv("_X_AMZN_TRACE_ID"),
		"name":          lambdacontext.FunctionName,
		"version":       lambdacontext.FunctionVersion,
		"memory":        lambdacontext.MemoryLimitInMB,
		"deadline":      deadline.UnixMilli(),
	}
}

func main() {
	switch os.Getenv("AT_START") {
	case "return":
		return
	case "exit":
		os.Exit(3)
	case "panic":
		panic("before the first event")
	}
	lambda.StartWithOptions(handle, lambda.WithEnableSIGTERM(func() {}))
}
