// Package extapi is what Lambda's Extensions API (2020-01-01), Telemetry API
// (2022-07-01) and Logs API (2020-08-15) look like on the wire: paths, headers,
// bodies, error types, and the decoders that check what an extension sends. It keeps no state and opens
// no connection; servers and clients stand on it alike.
//
// Read next: package httpapi, which serves these shapes, and package sdk, which
// speaks them as an extension.
package extapi

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// Paths of the APIs, below the address in AWS_LAMBDA_RUNTIME_API.
const (
	PathRegister  = "/2020-01-01/extension/register"
	PathNext      = "/2020-01-01/extension/event/next"
	PathInitError = "/2020-01-01/extension/init/error"
	PathExitError = "/2020-01-01/extension/exit/error"
	PathTelemetry = "/2022-07-01/telemetry"
	// PathLogs is the Logs API, the Telemetry API's predecessor.
	PathLogs = "/2020-08-15/logs"
)

// Headers of the APIs.
const (
	HeaderName              = "Lambda-Extension-Name"
	HeaderAcceptFeature     = "Lambda-Extension-Accept-Feature"
	HeaderIdentifier        = "Lambda-Extension-Identifier"
	HeaderEventIdentifier   = "Lambda-Extension-Event-Identifier"
	HeaderFunctionErrorType = "Lambda-Extension-Function-Error-Type"
)

// MaxBodyBytes bounds every request body. Lambda documents no figure; real
// requests are below 2 KiB, and an error report may carry a stack trace.
const MaxBodyBytes = 256 << 10

// MaxExtensions is how many extensions an environment may have, internal ones
// included (Lambda quotas).
const MaxExtensions = 10

// EventType is what an extension registers for.
type EventType string

// The lifecycle events.
const (
	Invoke   EventType = "INVOKE"
	Shutdown EventType = "SHUTDOWN"
)

// Reasons of a SHUTDOWN, in lower case as Lambda sends them.
const (
	ReasonSpindown = "spindown"
	ReasonTimeout  = "timeout"
	ReasonFailure  = "failure"
)

// Tracing is the trace context of an INVOKE.
type Tracing struct {
	Type  string `json:"type"` // "X-Amzn-Trace-Id"
	Value string `json:"value"`
}

// Event is the answer to a next call. Fields that a type of event does not have
// are empty.
type Event struct {
	EventType          EventType `json:"eventType"`
	DeadlineMs         int64     `json:"deadlineMs"` // Unix time in milliseconds
	RequestID          string    `json:"requestId,omitempty"`
	InvokedFunctionARN string    `json:"invokedFunctionArn,omitempty"`
	Tracing            *Tracing  `json:"tracing,omitempty"`
	ShutdownReason     string    `json:"shutdownReason,omitempty"`
	// EnvironmentID is Lambent's own, and only told to an extension of the host scope.
	EnvironmentID string `json:"environmentId,omitempty"`
}

// Deadline is DeadlineMs as a time.
func (e Event) Deadline() time.Time { return time.UnixMilli(e.DeadlineMs) }

// Registration is a checked register call.
type Registration struct {
	Name      string
	Events    []EventType
	AccountID bool // the answer shall carry the account id
}

// Registered is the body of the answer to a register call.
type Registered struct {
	FunctionName    string `json:"functionName"`
	FunctionVersion string `json:"functionVersion"`
	Handler         string `json:"handler"`
	AccountID       string `json:"accountId,omitempty"`
	// Identifier goes into a header of the answer.
	Identifier string `json:"-"`
}

// FailurePhase tells which of the two error calls was made.
type FailurePhase string

// The two error calls.
const (
	FailedInit FailurePhase = "init"
	FailedExit FailurePhase = "exit"
)

// Failure is a checked init/error or exit/error call.
type Failure struct {
	Phase     FailurePhase
	ErrorType string // the extension's own word
	Detail    string // the body of the call, whatever it is; for the operator
}

// Accepted is the body of the answer to an error call.
type Accepted struct {
	Status string `json:"status"` // "OK"
}

// DecodeRegistration checks a register call. Unknown fields and features are
// ignored, as Lambda does; errors are [*Error].
func DecodeRegistration(header http.Header, body []byte) (Registration, error) {
	reg := Registration{Name: header.Get(HeaderName)}
	if reg.Name == "" {
		return reg, Forbidden(ErrInvalidExtensionName, "header %s is missing or empty", HeaderName)
	}
	for feature := range strings.SplitSeq(header.Get(HeaderAcceptFeature), ",") {
		reg.AccountID = reg.AccountID || strings.TrimSpace(feature) == "accountId"
	}
	var in struct {
		Events            []EventType     `json:"events"`
		ConfigurationKeys json.RawMessage `json:"configurationKeys"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return reg, Forbidden(ErrInvalidRequestFormat, "body is not a register request: %v", err)
	}
	if keys := string(in.ConfigurationKeys); keys != "" && keys != "null" && keys != "[]" {
		return reg, Forbidden(ErrInvalidRequestFormat, "configurationKeys is no longer supported: use environment variables")
	}
	for _, event := range in.Events {
		if event != Invoke && event != Shutdown {
			return reg, Forbidden(ErrInvalidEventType, "%s: ErrorInvalidEventType", event)
		}
	}
	reg.Events = in.Events
	return reg, nil
}
