package client

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"

	"github.com/lambent-host/lambent/host/lambdaapi"
)

// InvokeInput is one invocation.
type InvokeInput struct {
	// Name may be an ARN and may carry a qualifier.
	Name      string
	Qualifier string
	// Type is RequestResponse (also when empty), Event or DryRun.
	Type string
	// Payload is JSON; none arrives as {}.
	Payload []byte
	// Tail asks for the end of the log.
	Tail bool
	// ClientContext is a JSON object, or empty.
	ClientContext string
}

// InvokeOutput is the answer of an invocation.
type InvokeOutput struct {
	Payload []byte
	// FunctionError is "" or "Unhandled": the function failed, and Payload tells how.
	FunctionError   string
	ExecutedVersion string
	Log             []byte
	RequestID       string
	TraceID         string
}

// Invoke runs a function. An error is the host's refusal; a function that failed
// is an output.
func (c *Client) Invoke(ctx context.Context, in InvokeInput) (*InvokeOutput, error) {
	header := http.Header{}
	header.Set("Content-Type", "application/json")
	if in.Type != "" {
		header.Set(lambdaapi.HeaderInvocationType, in.Type)
	}
	if in.Tail {
		header.Set(lambdaapi.HeaderLogType, lambdaapi.LogTail)
	}
	if in.ClientContext != "" {
		header.Set(lambdaapi.HeaderClientContext, base64.StdEncoding.EncodeToString([]byte(in.ClientContext)))
	}
	to := path(in.Name, "/invocations")
	if in.Qualifier != "" {
		to += "?Qualifier=" + url.QueryEscape(in.Qualifier)
	}
	got, err := c.send(ctx, http.MethodPost, to, header, in.Payload)
	if err != nil {
		return nil, err
	}
	log, err := base64.StdEncoding.DecodeString(got.header.Get(lambdaapi.HeaderLogResult))
	if err != nil {
		return nil, fmt.Errorf("the log in the answer is not base64: %w", err)
	}
	return &InvokeOutput{
		Payload:         got.body,
		FunctionError:   got.header.Get(lambdaapi.HeaderFunctionError),
		ExecutedVersion: got.header.Get(lambdaapi.HeaderExecutedVersion),
		Log:             log,
		RequestID:       got.header.Get(lambdaapi.HeaderRequestID),
		TraceID:         got.header.Get(lambdaapi.HeaderTraceID),
	}, nil
}
