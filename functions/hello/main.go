// Command hello is the function to begin with: an ordinary aws-lambda-go
// handler, with nothing of Lambent in it, that greets, logs a line and can be
// asked to fail or to be late.
//
//	{"name":"Ada"}          {"message":"Hello, Ada!", ...}
//	{"fail":true}           a function error of type greetingError
//	{"sleepMs":5000}        sleeps first, past the timeout if that is shorter
//	{"spinMs":5000}         the same, but keeps the CPU busy
//
// The environment variable GREETING replaces "Hello". Read next: package telemetry,
// for what the host tells of it.
package main

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type request struct {
	Name    string `json:"name"`
	Fail    bool   `json:"fail"`
	SleepMS int    `json:"sleepMs"`
	SpinMS  int    `json:"spinMs"`
}

type response struct {
	Message   string `json:"message"`
	RequestID string `json:"requestId"`
}

type greetingError struct{ name string }

func (e *greetingError) Error() string { return fmt.Sprintf("nobody greets %q", e.name) }

func handle(ctx context.Context, in request) (response, error) {
	name := cmp.Or(in.Name, "World")
	log.Printf("greeting %s", name)
	time.Sleep(time.Duration(in.SleepMS) * time.Millisecond)
	for until := time.Now().Add(time.Duration(in.SpinMS) * time.Millisecond); time.Now().Before(until); {
		continue
	}
	if in.Fail {
		return response{}, &greetingError{name: name}
	}
	lc, _ := lambdacontext.FromContext(ctx)
	greeting := cmp.Or(os.Getenv("GREETING"), "Hello")
	return response{Message: greeting + ", " + name + "!", RequestID: lc.AwsRequestID}, nil
}

func main() { lambda.Start(handle) }
