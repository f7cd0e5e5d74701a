package sandbox

import (
	"context"
	"errors"
	"fmt"
)

// ModuleError says why a module is refused. It is the module's fault: the same
// bytes are refused every time.
type ModuleError struct {
	// Section names the part of the module, for example "import"; empty when
	// the reason speaks for itself.
	Section string
	// Reason is one lower-case sentence, for example
	// `module imports "env"."foo", which does not exist`.
	Reason string
}

// Error is the reason, preceded by the section if there is one.
func (e *ModuleError) Error() string {
	if e.Section == "" {
		return e.Reason
	}
	return e.Section + " section: " + e.Reason
}

// FaultKind says how a guest ended that did not return.
type FaultKind uint8

// The kinds of fault.
const (
	// FaultTrap: unreachable, an access out of bounds, a stack overflow and the
	// like. The zero value is not a kind.
	FaultTrap FaultKind = iota + 1
	// FaultTimeout: the context's deadline passed while the guest ran.
	FaultTimeout
	// FaultExit: the guest ended itself (proc_exit) with Fault.ExitCode.
	FaultExit
	// FaultMemory: the guest trapped or exited with an error after the host had
	// refused to grow its memory in the same call.
	FaultMemory
	// FaultResponseTooLarge: the guest wrote more than the response limit.
	FaultResponseTooLarge
	// FaultCanceled: the context was canceled while the guest ran.
	FaultCanceled
	// FaultInit: the guest itself reported that its init failed; Fault.Report is
	// what it said.
	FaultInit
)

var faultNames = [...]string{"", "trap", "timeout", "exit", "memory", "response too large", "canceled", "init"}

// String names the kind for messages.
func (k FaultKind) String() string {
	if int(k) < len(faultNames) && k > 0 {
		return faultNames[k]
	}
	return "unknown"
}

// Fault says how a guest ended that did not return. The instance is unusable
// afterwards.
type Fault struct {
	Kind FaultKind
	// ExitCode is the guest's exit code, for FaultExit, and for FaultMemory when
	// the guest exited.
	ExitCode uint32
	// Message is one line for the function's owner.
	Message string
	// Stack is the guest's stack, innermost frame first, one per line; empty
	// when there is none (an exit, a stack overflow).
	Stack string
	// Report is what the guest said before, if it said anything; set for
	// FaultInit, and possible with every kind when init failed.
	Report *FunctionError
}

// Error is the kind and the message.
func (f *Fault) Error() string { return fmt.Sprintf("guest %s: %s", f.Kind, f.Message) }

// Unwrap makes errors.Is find context.DeadlineExceeded in a timeout and
// context.Canceled in a cancellation.
func (f *Fault) Unwrap() error {
	switch f.Kind {
	case FaultTimeout:
		return context.DeadlineExceeded
	case FaultCanceled:
		return context.Canceled
	}
	return nil
}

var (
	// ErrBusy is returned when a call is made on an instance that is running
	// another one.
	ErrBusy = errors.New("instance is running another call")
	// ErrFaulted is returned when a call is made on an instance that has faulted.
	ErrFaulted = errors.New("instance has faulted and cannot be used again")
	// ErrClosed is returned when what was called has been closed.
	ErrClosed = errors.New("closed")
	// ErrState is returned when Init is called twice, or Invoke before Init.
	ErrState = errors.New("out of order")
)
