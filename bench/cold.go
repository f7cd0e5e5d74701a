package bench

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lambent-host/lambent/host/client"
	"github.com/lambent-host/lambent/host/lambdaapi"
)

// ColdConfig is a series of first requests, one at a time.
type ColdConfig struct {
	// Endpoint is the host, Function a function on it that can be changed:
	// its description is.
	Endpoint, Function string
	Payload            []byte
	// Requests is how many environments are started.
	Requests int
}

// errNotCold is a request that met an environment that was there already.
var errNotCold = errors.New("the invocation was not cold: its report has no init duration")

// RunCold updates the function before each request, so that each meets a new
// environment, and returns the latencies of the requests alone. It makes sure
// from the log that each was cold. Result.Elapsed is the sum of the latencies.
func RunCold(ctx context.Context, cfg ColdConfig) (Result, error) {
	manage := client.New(cfg.Endpoint)
	defer manage.CloseIdle()
	http := newHTTPClient(1)
	defer http.CloseIdleConnections()
	s := &sender{http: http, url: invokeURL(cfg.Endpoint, cfg.Function), payload: cfg.Payload, tail: true}

	latencies := make([]time.Duration, cfg.Requests)
	var elapsed time.Duration
	for i := range latencies {
		if err := renew(ctx, manage, cfg.Function); err != nil {
			return Result{}, fmt.Errorf("before cold request %d: %w", i+1, err)
		}
		_, header, took, err := s.send(ctx)
		if err == nil {
			err = checkCold(header.Get(lambdaapi.HeaderLogResult))
		}
		if err != nil {
			return Result{}, fmt.Errorf("cold request %d: %w", i+1, err)
		}
		latencies[i] = took
		elapsed += took
	}
	return newResult(latencies, elapsed), nil
}

// renew gives the function a new revision and waits until invocations run it:
// what was warm of the old one is of no use to them.
func renew(ctx context.Context, manage *client.Client, function string) error {
	description := "renewed " + time.Now().Format(time.RFC3339Nano)
	_, err := manage.UpdateFunctionConfiguration(ctx, function, &lambdaapi.UpdateFunctionConfigurationRequest{
		FunctionSettings: lambdaapi.FunctionSettings{Description: &description},
	})
	if err == nil {
		_, err = manage.WaitUpdated(ctx, function)
	}
	return err
}

// checkCold reads the end of the log, base64 as the API sends it: the report
// line of an environment's first invocation, and of no other, tells its init.
func checkCold(logResult string) error {
	log, err := base64.StdEncoding.DecodeString(logResult)
	if err != nil {
		return fmt.Errorf("the log is not base64: %w", err)
	}
	if !strings.Contains(string(log), "Init Duration:") {
		return errNotCold
	}
	return nil
}

func invokeURL(endpoint, function string) string {
	return endpoint + "/2015-03-31/functions/" + function + "/invocations"
}
