package place

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/rs/zerolog"
)

func loop(t *testing.T) Room {
	t.Helper()
	room, listener, err := Loopback{}.Open(t.Context(), Environment{})
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	t.Cleanup(func() { room.Close() })
	return room
}

func TestAPortOfTheMachineIsOneRooms(t *testing.T) {
	first, second := loop(t), loop(t)
	for range 2 { // again is the same
		if err := Claim(first, 8080); err != nil {
			t.Fatal(err)
		}
	}
	err := Claim(second, 8080)
	if err == nil {
		t.Fatal("two rooms have one port")
	}
	for _, want := range []string{"8080", "--extension-isolation", "--concurrency 1"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not name %s", err, want)
		}
	}
	if err := Claim(second, 8081); err != nil {
		t.Error(err)
	}
	first.Close()
	if err := Claim(second, 8080); err != nil {
		t.Errorf("the port of a closed room is taken: %v", err)
	}
	if err := Claim(&other{}, 8080); err != nil || Shared(&other{}) {
		t.Errorf("a room with ports of its own has the machine's: %v", err)
	}
}

// other is a room that is not on the machine's network.
type other struct{ Room }

func TestWhoFindsAPortInUseIsAdvised(t *testing.T) {
	for output, want := range map[string]bool{
		"listen tcp 0.0.0.0:8080: bind: address already in use": true,
		"OSError: [Errno 98] Address already in use":            true,
		"Error: listen EADDRINUSE: address already in use":      true,
		"Os { code: 98, kind: AddrInUse }":                      true,
		"panic: nil pointer":                                    false,
		"":                                                      false,
	} {
		if got := Advise(loop(t), output); strings.Contains(got, "--extension-isolation") != want {
			t.Errorf("%q is answered by %q", output, got)
		}
		if got := Advise(&other{}, output); got != "" {
			t.Errorf("in a network of its own %q is answered by %q", output, got)
		}
	}
}

func TestIsolationsAreRead(t *testing.T) {
	for _, text := range []string{"auto", "full", "network", "none"} {
		if i, err := ParseIsolation(text); err != nil || string(i) != text {
			t.Errorf("%q is read as %q (%v)", text, i, err)
		}
	}
	if _, err := ParseIsolation("some"); err == nil {
		t.Error("some is an isolation")
	}
	p, err := New(t.Context(), Config{Isolation: None})
	if _, loopback := p.(Loopback); err != nil || !loopback {
		t.Errorf("none is %T (%v)", p, err)
	}
}

// TestAutoIsTheFurthest: what Full is where the host may, and otherwise the machine
// itself, with a word to the operator.
func TestAutoIsTheFurthest(t *testing.T) {
	var log strings.Builder
	p, err := New(t.Context(), Config{Isolation: Auto, Log: zerolog.New(&log)})
	if err != nil {
		t.Fatal(err)
	}
	room, listener, err := p.Open(t.Context(), Environment{})
	if err != nil {
		t.Fatal(err)
	}
	defer room.Close()
	defer listener.Close()
	full, err := New(t.Context(), Config{Isolation: Full})
	if err == nil && full != nil {
		if Shared(room) {
			t.Errorf("it is not isolated, although the host may: %s", log.String())
		}
		return
	}
	if !Shared(room) || !strings.Contains(log.String(), "--concurrency 1") {
		t.Errorf("it is %T, and the log says %s", room, log.String())
	}
}

// TestAutoWithoutNamespaces: the fallback, wherever this test runs.
func TestAutoWithoutNamespaces(t *testing.T) {
	t.Setenv("LAMBENT_KEEPING", "1") // a process that may not start keepers
	var log strings.Builder
	p, err := New(t.Context(), Config{Isolation: Auto, Log: zerolog.New(&log)})
	if err != nil {
		t.Fatal(err)
	}
	room, listener, err := p.Open(t.Context(), Environment{})
	if err != nil {
		t.Fatal(err)
	}
	defer room.Close()
	defer listener.Close()
	if !Shared(room) || strings.Count(log.String(), "--concurrency 1") != 1 {
		t.Errorf("it is %T, and the log says %s", room, log.String())
	}
	if _, err := New(t.Context(), Config{Isolation: Full}); err == nil {
		t.Error("what cannot be had is had")
	}
}

// TestIsolationIsNotGivenUpForWhatPasses: only for what the host may not do.
func TestIsolationIsNotGivenUpForWhatPasses(t *testing.T) {
	for err, want := range map[error]bool{
		&os.PathError{Op: "fork/exec", Err: syscall.EAGAIN}: true, fmt.Errorf("x: %w", syscall.ENOMEM): true, syscall.EMFILE: true,
		context.DeadlineExceeded: true, syscall.EPERM: false, errors.New("other"): false, syscall.ENOSYS: false, syscall.EINVAL: false,
	} {
		if passing(err) != want {
			t.Errorf("%v passes: %v", err, !want)
		}
	}
}
