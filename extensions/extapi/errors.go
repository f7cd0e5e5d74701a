package extapi

import (
	"fmt"
	"net/http"
)

// Error types of the Extensions API.
const (
	ErrInvalidExtensionName       = "Extension.InvalidExtensionName"
	ErrInvalidRequestFormat       = "InvalidRequestFormat"
	ErrInvalidEventType           = "Extension.InvalidEventType"
	ErrInvalidExtensionState      = "Extension.InvalidExtensionState"
	ErrRegistrationClosed         = "Extension.RegistrationClosed"
	ErrTooManyExtensions          = "Extension.TooManyExtensions"
	ErrMissingExtensionIdentifier = "Extension.MissingExtensionIdentifier"
	ErrInvalidExtensionIdentifier = "Extension.InvalidExtensionIdentifier"
	ErrUnknownExtensionIdentifier = "Extension.UnknownExtensionIdentifier"
	ErrMissingHeader              = "Extension.MissingHeader"
	ErrInternalServerError        = "InternalServerError"
	ErrRequestEntityTooLarge      = "RequestEntityTooLarge"
)

// Error types of the Telemetry API.
const (
	ErrValidation         = "ValidationError"
	ErrDeserialization    = "Telemetry.DeserializationError"
	ErrAccessDenied       = "Telemetry.AccessDenied"
	ErrSubscriptionClosed = "Telemetry.SubscriptionClosed"
)

// Error types of the Logs API.
const (
	ErrLogsValidation         = "Logs.ValidationError"
	ErrLogsDeserialization    = "Logs.DeserializationError"
	ErrLogsAccessDenied       = "Logs.AccessDenied"
	ErrLogsSubscriptionClosed = "Logs.SubscriptionClosed"
)

// SubscriptionErrors is what one of the two APIs calls the faults of a subscription.
type SubscriptionErrors struct {
	Validation, Deserialization, AccessDenied, Closed string
}

var (
	telemetryErrors = SubscriptionErrors{ErrValidation, ErrDeserialization, ErrAccessDenied, ErrSubscriptionClosed}
	logsErrors      = SubscriptionErrors{ErrLogsValidation, ErrLogsDeserialization, ErrLogsAccessDenied, ErrLogsSubscriptionClosed}
)

// Types of failures that end an environment, as telemetry and the caller of the
// function see them.
const (
	FatalLaunchError = "Extension.LaunchError"
	FatalInitError   = "Extension.InitError"
	FatalExitError   = "Extension.ExitError"
	FatalCrash       = "Extension.Crash"
)

// Error is an answer other than success, and its body.
type Error struct {
	Status  int    `json:"-"`
	Message string `json:"errorMessage"`
	Type    string `json:"errorType"`
}

// Error tells the type and the message.
func (e *Error) Error() string { return e.Type + ": " + e.Message }

// Forbidden is the status that the Extensions API gives to every fault of a
// caller.
func Forbidden(typ, format string, args ...any) *Error {
	return &Error{Status: http.StatusForbidden, Type: typ, Message: fmt.Sprintf(format, args...)}
}

// BadRequest is the Telemetry API's status for a request it cannot take.
func BadRequest(typ, format string, args ...any) *Error {
	return &Error{Status: http.StatusBadRequest, Type: typ, Message: fmt.Sprintf(format, args...)}
}
