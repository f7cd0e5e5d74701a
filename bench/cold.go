package bench

import (
	"context"
	"errors"
	"fmt"
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

	var all Result
	for i := range cfg.Requests {
		if err := renew(ctx, manage, cfg.Function); err != nil {
			return Result{}, fmt.Errorf("before cold request %d: %w", i+1, err)
		}
		took, report, err := sendCold(ctx, s)
		if err != nil {
			return Result{}, fmt.Errorf("cold request %d: %w", i+1, err)
		}
		all.Elapsed += took
		all.Latencies = append(all.Latencies, took)
		all.Init = append(all.Init, report.init)
		all.Function = append(all.Function, report.function)
	}
	return merge([]Result{all}), nil
}

// sendCold makes a request that must start an environment.
func sendCold(ctx context.Context, s *sender) (time.Duration, reported, error) {
	_, header, took, err := s.send(ctx)
	if err != nil {
		return 0, reported{}, err
	}
	report, err := readReport(header)
	if err == nil && !report.cold {
		err = errNotCold
	}
	return took, report, err
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

func invokeURL(endpoint, function string) string {
	return endpoint + "/2015-03-31/functions/" + function + "/invocations"
}
