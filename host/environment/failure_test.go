package environment

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/lambent-host/lambent/extensions"
	"github.com/lambent-host/lambent/host/catalogue"
	"github.com/lambent-host/lambent/sandbox"
	"github.com/lambent-host/lambent/telemetry"
)

// The expected documents are those that Lambda was recorded to send (timeout,
// exit with and without a status, a response that is too large).
func TestFaultsBecomeLambdasErrorDocuments(t *testing.T) {
	e := &environment{version: catalogue.Version{Settings: catalogue.Settings{MemorySize: 128}}}
	cases := []struct {
		name   string
		err    error
		body   string
		status telemetry.Status
		reason string
	}{
		{
			"timeout", &sandbox.Fault{Kind: sandbox.FaultTimeout},
			`{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: r-1 Error: Task timed out after 1.00 seconds"}`,
			telemetry.StatusTimeout, reasonTimeout,
		},
		{
			"exit without a status", &sandbox.Fault{Kind: sandbox.FaultExit},
			`{"errorType":"Runtime.ExitError","errorMessage":"RequestId: r-1 Error: Runtime exited without providing a reason"}`,
			telemetry.StatusError, reasonFailure,
		},
		{
			"exit with a status", &sandbox.Fault{Kind: sandbox.FaultExit, ExitCode: 127},
			`{"errorType":"Runtime.ExitError","errorMessage":"RequestId: r-1 Error: Runtime exited with error: exit status 127"}`,
			telemetry.StatusError, reasonFailure,
		},
		{
			"trap", &sandbox.Fault{Kind: sandbox.FaultTrap, Message: "unreachable"},
			`{"errorType":"Runtime.ExitError","errorMessage":"RequestId: r-1 Error: Runtime exited with error: unreachable"}`,
			telemetry.StatusError, reasonFailure,
		},
		{
			"init reported", &sandbox.Fault{Kind: sandbox.FaultInit, Report: &sandbox.FunctionError{Document: []byte(`{"errorType":"mine"}`)}},
			`{"errorType":"mine"}`, telemetry.StatusError, reasonFailure,
		},
		{
			"init refused", &sandbox.Fault{Kind: sandbox.FaultInit, Message: "lambent_init returned 3"},
			`{"errorType":"Runtime.Unknown","errorMessage":"RequestId: r-1 Error: lambent_init returned 3"}`,
			telemetry.StatusError, reasonFailure,
		},
		{
			"memory", &sandbox.Fault{Kind: sandbox.FaultMemory},
			`{"errorType":"Runtime.OutOfMemory","errorMessage":"RequestId: r-1 Error: Runtime exited with error: out of memory: the limit is 128 MB"}`,
			telemetry.StatusError, reasonFailure,
		},
		{
			"response too large", &sandbox.Fault{Kind: sandbox.FaultResponseTooLarge},
			`{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes)."}`,
			telemetry.StatusError, reasonFailure,
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f := e.faultFailure(t.Context(), fmt.Errorf("wrapped: %w", c.err), time.Second)
			if f == nil {
				t.Fatal("not taken for a fault")
			}
			if got := string(f.body("r-1")); got != c.body {
				t.Errorf("body\n %s, want\n %s", got, c.body)
			}
			if f.status() != c.status || f.reason() != c.reason {
				t.Errorf("status %s, reason %s; want %s, %s", f.status(), f.reason(), c.status, c.reason)
			}
		})
	}
	if f := e.faultFailure(t.Context(), errors.New("disk full"), time.Second); f != nil {
		t.Errorf("a breakage of the host was taken for a failure of the function: %+v", f)
	}
}

func TestExtensionFailuresKeepTheirType(t *testing.T) {
	if f := extensionFailure(&extensions.ExtensionError{Name: "x", Type: "Extension.ExitError"}, time.Second); f.typ != "Extension.ExitError" {
		t.Errorf("type %s, want Extension.ExitError", f.typ)
	}
	if f := extensionFailure(context.DeadlineExceeded, time.Second); f.kind != telemetry.StatusTimeout {
		t.Errorf("status %s for one that was too slow, want a timeout", f.kind)
	}
}

func TestNoFailureIsSuccess(t *testing.T) {
	var f *failure
	if f.status() != telemetry.StatusSuccess || f.errorType() != "" {
		t.Errorf("a nil failure is %s %q", f.status(), f.errorType())
	}
}
