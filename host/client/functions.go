package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/lambent-host/lambent/host/lambdaapi"
)

// CreateFunction makes a new function. It is Pending: see [Client.WaitActive].
func (c *Client) CreateFunction(ctx context.Context, in *lambdaapi.CreateFunctionRequest) (*lambdaapi.FunctionConfiguration, error) {
	var out lambdaapi.FunctionConfiguration
	return &out, c.call(ctx, http.MethodPost, functions, in, &out)
}

// UpdateFunctionCode gives a function new code, see [Client.WaitUpdated].
func (c *Client) UpdateFunctionCode(ctx context.Context, name string, in *lambdaapi.UpdateFunctionCodeRequest) (*lambdaapi.FunctionConfiguration, error) {
	var out lambdaapi.FunctionConfiguration
	return &out, c.call(ctx, http.MethodPut, path(name, "/code"), in, &out)
}

// UpdateFunctionConfiguration changes settings, see [Client.WaitUpdated].
func (c *Client) UpdateFunctionConfiguration(ctx context.Context, name string, in *lambdaapi.UpdateFunctionConfigurationRequest) (*lambdaapi.FunctionConfiguration, error) {
	var out lambdaapi.FunctionConfiguration
	return &out, c.call(ctx, http.MethodPut, path(name, "/configuration"), in, &out)
}

// GetConfiguration tells all about a function; name may carry a qualifier.
func (c *Client) GetConfiguration(ctx context.Context, name string) (*lambdaapi.FunctionConfiguration, error) {
	var out lambdaapi.FunctionConfiguration
	return &out, c.call(ctx, http.MethodGet, path(name, "/configuration"), nil, &out)
}

// List returns all functions, however many pages they take.
func (c *Client) List(ctx context.Context) ([]*lambdaapi.FunctionConfiguration, error) {
	var all []*lambdaapi.FunctionConfiguration
	for marker := ""; ; {
		var page lambdaapi.ListFunctionsResponse
		if err := c.call(ctx, http.MethodGet, functions+"?Marker="+url.QueryEscape(marker), nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Functions...)
		if page.NextMarker == "" {
			return all, nil
		}
		if page.NextMarker == marker {
			return nil, fmt.Errorf("the host answers the same page again (marker %q)", marker)
		}
		marker = page.NextMarker
	}
}

// Delete removes a function with all its versions, or, where name carries the
// number of one, that version.
func (c *Client) Delete(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodDelete, path(name, ""), nil, nil)
}

// withDefaults adds what the API demands of a new function and a module has no
// use for.
func withDefaults(in *lambdaapi.CreateFunctionRequest) *lambdaapi.CreateFunctionRequest {
	out, runtime, handler := *in, "provided.al2023", "bootstrap"
	if out.Runtime == nil {
		out.Runtime = &runtime
	}
	if out.Handler == nil {
		out.Handler = &handler
	}
	return &out
}

// Deploy creates the function, or gives the one that exists this code and these
// settings, and waits until it runs them. created tells which it was. Of a
// function that exists the tags, the role, and settings that are not given stay as
// they are.
func (c *Client) Deploy(ctx context.Context, in *lambdaapi.CreateFunctionRequest) (f *lambdaapi.FunctionConfiguration, created bool, err error) {
	if in.FunctionName == nil || in.Code == nil {
		return nil, false, fmt.Errorf("deploy: FunctionName and Code must be set")
	}
	name := *in.FunctionName
	if _, err = c.GetConfiguration(ctx, name); IsNotFound(err) {
		if _, err = c.CreateFunction(ctx, withDefaults(in)); err != nil {
			return nil, false, err
		}
		f, err = c.WaitActive(ctx, name)
		return f, true, err
	}
	if err != nil {
		return nil, false, err
	}
	if _, err = c.WaitSettled(ctx, name); err != nil { // an update of somebody else
		return nil, false, err
	}
	settings := &lambdaapi.UpdateFunctionConfigurationRequest{FunctionSettings: in.FunctionSettings}
	if _, err = c.UpdateFunctionConfiguration(ctx, name, settings); err != nil {
		return nil, false, err
	}
	// Not WaitUpdated: the new settings may only work with the new code.
	if _, err = c.WaitSettled(ctx, name); err != nil {
		return nil, false, err
	}
	code := &lambdaapi.UpdateFunctionCodeRequest{FunctionCode: *in.Code, Architectures: in.Architectures}
	if _, err = c.UpdateFunctionCode(ctx, name, code); err != nil {
		return nil, false, err
	}
	f, err = c.WaitUpdated(ctx, name)
	return f, false, err
}

// Polling begins at pollFirst and slows down to pollLast.
const (
	pollFirst = 100 * time.Millisecond
	pollLast  = time.Second
)

// FailedError tells that a function could not be made ready.
type FailedError struct {
	// Code and Reason are those of the state, or of the last update.
	Code, Reason string
}

// Error tells the reason.
func (e *FailedError) Error() string {
	return fmt.Sprintf("the function cannot run (%s): %s", e.Code, e.Reason)
}

// WaitActive waits until the function is no longer Pending. One that Failed is a
// *FailedError. The context bounds the wait.
func (c *Client) WaitActive(ctx context.Context, name string) (*lambdaapi.FunctionConfiguration, error) {
	f, err := c.wait(ctx, name, func(f *lambdaapi.FunctionConfiguration) bool { return f.State != "Pending" })
	if err == nil && f.State == "Failed" {
		return f, &FailedError{f.StateReasonCode, f.StateReason}
	}
	return f, err
}

// WaitUpdated waits until the last update is done; one that failed, and a
// function that could never run, are a *FailedError.
func (c *Client) WaitUpdated(ctx context.Context, name string) (*lambdaapi.FunctionConfiguration, error) {
	f, err := c.WaitSettled(ctx, name)
	switch {
	case err != nil:
		return f, err
	case f.LastUpdateStatus == "Failed":
		return f, &FailedError{f.LastUpdateStatusReasonCode, f.LastUpdateStatusReason}
	case f.State == "Failed":
		return f, &FailedError{f.StateReasonCode, f.StateReason}
	}
	return f, nil
}

// WaitSettled waits until nothing is in progress, however it ended.
func (c *Client) WaitSettled(ctx context.Context, name string) (*lambdaapi.FunctionConfiguration, error) {
	return c.wait(ctx, name, func(f *lambdaapi.FunctionConfiguration) bool {
		return f.State != "Pending" && f.LastUpdateStatus != "InProgress"
	})
}

func (c *Client) wait(ctx context.Context, name string, done func(*lambdaapi.FunctionConfiguration) bool) (*lambdaapi.FunctionConfiguration, error) {
	for delay := pollFirst; ; delay = min(delay*3/2, pollLast) {
		f, err := c.GetConfiguration(ctx, name)
		if err != nil || done(f) {
			return f, err
		}
		if err := c.pause(ctx, delay); err != nil {
			return f, fmt.Errorf("waiting for %s (State %s, LastUpdateStatus %s): %w", name, f.State, f.LastUpdateStatus, err)
		}
	}
}
