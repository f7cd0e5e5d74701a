package publish

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lambent-host/lambent/sandbox"
)

// ending is how a child ended.
type ending struct {
	ready  bool // it has been a child
	answer *answer
	err    error  // of waiting for it
	said   string // on its standard error
	cpu    time.Duration
}

// verdict tells whose fault it was.
func (e ending) verdict(ctx context.Context, l Limits) (sandbox.Prepared, error) {
	switch a := e.answer; {
	case a != nil && a.Prepared != nil:
		return *a.Prepared, nil
	case a != nil && a.Refused != nil && isOutOfMemory(a.Refused.Reason):
		return sandbox.Prepared{}, tooMuchMemory(l)
	case a != nil && a.Refused != nil:
		return sandbox.Prepared{}, a.Refused
	case a != nil:
		return sandbox.Prepared{}, fmt.Errorf("publishing process: %s", a.Failed)
	case errors.Is(context.Cause(ctx), errTooLong):
		return sandbox.Prepared{}, &sandbox.ModuleError{Reason: fmt.Sprintf("compiling the module took longer than %v", l.WallTime)}
	case ctx.Err() != nil:
		return sandbox.Prepared{}, fmt.Errorf("publishing was stopped: %w", context.Cause(ctx))
	case !e.ready:
		return sandbox.Prepared{}, fmt.Errorf("the publishing process did not begin: %w: %s", orEnded(e.err), firstLine(e.said))
	case e.cpu >= l.CPUTime || strings.Contains(e.said, "SIGXCPU"):
		return sandbox.Prepared{}, &sandbox.ModuleError{Reason: fmt.Sprintf("compiling the module takes more than %v of CPU time", l.CPUTime)}
	case isOutOfMemory(e.said):
		return sandbox.Prepared{}, tooMuchMemory(l)
	case crash(e.said) != "":
		return sandbox.Prepared{}, &sandbox.ModuleError{Reason: "the compiler failed on this module: " + crash(e.said)}
	}
	return sandbox.Prepared{}, fmt.Errorf("the publishing process ended early: %w: %s", orEnded(e.err), firstLine(e.said))
}

func tooMuchMemory(l Limits) error {
	return &sandbox.ModuleError{Reason: fmt.Sprintf("compiling the module needs more than %d MB of memory", l.MemoryBytes>>20)}
}

// isOutOfMemory knows the words of Go's runtime, of the system, and of the race
// detector. A child has its threads before it is limited: that one cannot be made is
// the host's trouble.
func isOutOfMemory(said string) bool {
	for _, words := range []string{"out of memory", "cannot allocate memory", "Sanitizer failed to allocate"} {
		if strings.Contains(said, words) {
			return !noThread(said)
		}
	}
	return false
}

// crash is the first line of a panic or of a fatal error of Go's runtime.
func crash(said string) string {
	for line := range strings.Lines(said) {
		for _, kind := range []string{"panic: ", "fatal error: ", "SIGSEGV", "unexpected fault address"} {
			if strings.HasPrefix(line, kind) && !noThread(said) {
				return strings.TrimSpace(strings.TrimPrefix(line, kind))
			}
		}
	}
	return ""
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

var errEnded = errors.New("it ended without an answer")

func orEnded(err error) error {
	if err == nil {
		return errEnded
	}
	return err
}

func noThread(said string) bool {
	return strings.Contains(said, "failed to create new OS thread") || strings.Contains(said, "pthread_create failed")
}
