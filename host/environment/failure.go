package environment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/lambent-host/lambent/abi"
	"github.com/lambent-host/lambent/extensions"
	"github.com/lambent-host/lambent/sandbox"
	"github.com/lambent-host/lambent/telemetry"
)

// failure is why an invocation, or the init before it, did not succeed, in the
// words that telemetry and the caller get. A nil failure is success.
type failure struct {
	kind     telemetry.Status
	typ      string // "Runtime.ExitError", ...; "" for a timeout, as on Lambda
	message  string // after "RequestId: <id> Error: "
	document []byte // the guest's own error document, passed through instead
}

func (f *failure) status() telemetry.Status {
	if f == nil {
		return telemetry.StatusSuccess
	}
	return f.kind
}

func (f *failure) errorType() string {
	if f == nil {
		return ""
	}
	return f.typ
}

// reason is what the extensions are told when the environment is reset.
func (f *failure) reason() string {
	if f.kind == telemetry.StatusTimeout {
		return reasonTimeout
	}
	return reasonFailure
}

// body is the payload of the answer: the guest's document, or one of the shape
// that Lambda gives a failure it has to describe itself.
func (f *failure) body(requestID string) []byte {
	if f.document != nil {
		return f.document
	}
	typ := f.typ
	message := "RequestId: " + requestID + " Error: " + f.message
	switch {
	case f.kind == telemetry.StatusTimeout:
		typ = "Sandbox.Timedout"
	case typ == errorTypeTooLarge:
		message = f.message
	}
	body, err := json.Marshal(struct {
		ErrorType    string `json:"errorType"`
		ErrorMessage string `json:"errorMessage"`
	}{typ, message})
	if err != nil {
		panic(fmt.Sprintf("two strings did not marshal: %v", err)) // cannot happen
	}
	return body
}

// Error types of the Runtime API's and the platform's error documents.
const (
	errorTypeExit     = "Runtime.ExitError"
	errorTypeMemory   = "Runtime.OutOfMemory"
	errorTypeTooLarge = "Function.ResponseSizeTooLarge"
	errorTypeUnknown  = "Runtime.Unknown"
)

// faultFailure describes a fault of the instance that ran under ctx; nil when err
// is not one. limit is the time the phase had, for the message of a timeout.
func (e *environment) faultFailure(ctx context.Context, err error, limit time.Duration) *failure {
	var fault *sandbox.Fault
	if !errors.As(err, &fault) {
		return nil
	}
	var extension *extensions.ExtensionError
	if fault.Kind == sandbox.FaultCanceled && errors.As(context.Cause(ctx), &extension) {
		return extensionFailure(extension, limit)
	}
	f := &failure{kind: telemetry.StatusError, typ: errorTypeExit}
	if fault.Report != nil {
		f.document = fault.Report.Document
	}
	switch fault.Kind {
	case sandbox.FaultTimeout:
		return timeoutFailure(limit)
	case sandbox.FaultMemory:
		f.typ = errorTypeMemory
		f.message = fmt.Sprintf("Runtime exited with error: out of memory: the limit is %d MB", e.version.MemorySize)
	case sandbox.FaultExit:
		f.message = "Runtime exited without providing a reason"
		if fault.ExitCode != 0 {
			f.message = fmt.Sprintf("Runtime exited with error: exit status %d", fault.ExitCode)
		}
	case sandbox.FaultInit:
		f.typ = errorTypeUnknown
		f.message = fault.Message
	case sandbox.FaultResponseTooLarge:
		f.typ = errorTypeTooLarge
		f.message = fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", abi.MaxResponseBytes)
	default:
		f.message = "Runtime exited with error: " + fault.Message
	}
	return f
}

func timeoutFailure(limit time.Duration) *failure {
	return &failure{
		kind:    telemetry.StatusTimeout,
		message: fmt.Sprintf("Task timed out after %.2f seconds", limit.Seconds()),
	}
}

// extensionFailure describes an extension that died or did not keep to its time,
// which was limit.
func extensionFailure(err error, limit time.Duration) *failure {
	f := &failure{kind: telemetry.StatusError, typ: "Extension.Crash", message: err.Error()}
	var failed *extensions.ExtensionError
	switch {
	case errors.As(err, &failed):
		f.typ = failed.Type
	case errors.Is(err, context.DeadlineExceeded):
		return timeoutFailure(limit)
	}
	return f
}
