package catalogue

import "fmt"

// NotFoundError is ResourceNotFoundException (404).
type NotFoundError struct{ Message string }

// Error returns the message.
func (e *NotFoundError) Error() string { return e.Message }

// NotFound marks the error for packages that must not know this one.
func (e *NotFoundError) NotFound() bool { return true }

// ConflictError is ResourceConflictException (409).
type ConflictError struct{ Message string }

// Error returns the message.
func (e *ConflictError) Error() string { return e.Message }

// PreconditionError is PreconditionFailedException (412): a revision id did not match.
type PreconditionError struct{ Message string }

// Error returns the message.
func (e *PreconditionError) Error() string { return e.Message }

// InvalidError is InvalidParameterValueException (400), or ValidationException
// when Validation is set. Field names the member in the request.
type InvalidError struct {
	Field      string
	Message    string
	Validation bool
}

// Error returns the message.
func (e *InvalidError) Error() string { return e.Message }

// NotReadyError tells that a version cannot be invoked in its state
// (ResourceConflictException, 409; SnapStartNotReadyException, 409, when
// Snapshot is set).
type NotReadyError struct {
	State   string
	Message string
	// Snapshot tells that the version waits for its snapshot.
	Snapshot bool
}

// Error returns the message.
func (e *NotReadyError) Error() string { return e.Message }

// NotReady marks the error for packages that must not know this one: the same
// invocation may succeed later. It is false for a version that failed.
func (e *NotReadyError) NotReady() bool { return e.State == StatePending }

func invalid(field, format string, args ...any) *InvalidError {
	return &InvalidError{Field: field, Message: fmt.Sprintf(format, args...)}
}

// validation words a violated constraint as the service's model layer does.
func validation(field, value, constraint string) *InvalidError {
	return &InvalidError{Field: field, Validation: true, Message: fmt.Sprintf(
		"1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: %s", value, field, constraint)}
}

func (c *Catalogue) notFound(name, qualifier string) error {
	return &NotFoundError{"Function not found: " + c.qualified(name, qualifier)}
}

var errRevision = &PreconditionError{"The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id"}

// checkRevision holds a caller's revision id, if it gave one, against the current one.
func checkRevision(given, current string) error {
	if given != "" && given != current {
		return errRevision
	}
	return nil
}
