package invoke

import (
	"context"

	"github.com/lambent-host/lambent/host/environment"
)

// Request is one invocation as a caller asked for it, free of HTTP.
type Request struct {
	// RequestID is the invocation's id, a UUID. It is the same on every try of an
	// asynchronous invocation.
	RequestID string
	// FunctionName is the bare name.
	FunctionName string
	// Qualifier is a version, an alias, "$LATEST", or empty as the caller gave it.
	Qualifier string
	// Payload is the event, valid JSON; at most 6 MiB (1 MiB when Async).
	Payload []byte
	// ClientContext is the decoded client context, a JSON object, or empty.
	ClientContext string
	// TraceID is the value of X-Amzn-Trace-Id that came in, or empty.
	TraceID string
	// Tail asks for the last 4 KiB of the log in the outcome.
	Tail bool
	// Async tells that the event comes from the queue and nobody waits for the answer.
	Async bool
}

// Outcome is the answer of a function that ran. A function that failed is an
// outcome too, with FunctionError set: only the host's own refusals and
// breakages are errors.
type Outcome struct {
	// Payload is the function's response, or the error document.
	Payload []byte
	// FunctionError is "" or "Unhandled" (Lambda sends Unhandled for handler
	// errors, exits and timeouts alike).
	FunctionError string
	// ExecutedVersion is "$LATEST" or the number of the version that ran.
	ExecutedVersion string
	// LogTail is the end of the log, at most 4096 bytes; nil unless asked for.
	LogTail []byte
	// RequestID repeats the request's.
	RequestID string
	// TraceID is the X-Amzn-Trace-Id the invocation ran under, or empty.
	TraceID string
	// ContentType of Payload; "application/json" unless the runtime said otherwise.
	ContentType string
}

// RestoreError is the error of an invocation whose environment could not be
// restored from its snapshot, by the function's fault.
type RestoreError = environment.RestoreError

// Invoker runs one invocation to its end. Implementations are safe for
// concurrent use. The trace context travels in ctx. When ctx ends while the
// function runs, the invocation is not abandoned: as on Lambda, a caller that
// hangs up does not stop a function.
//
// Errors: those of catalogue (not found, not ready), *admission.ThrottledError,
// *RestoreError, *environment.InternalError.
type Invoker interface {
	Invoke(ctx context.Context, req *Request) (*Outcome, error)
}
