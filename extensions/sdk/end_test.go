package sdk_test

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/extensions/sdk"
	"github.com/lambent-host/lambent/telemetry"
)

func terminate() error { return syscall.Kill(syscall.Getpid(), syscall.SIGTERM) }

// until waits for a signal to have ended the context of a callback.
func until(ctx context.Context, t *testing.T) {
	t.Helper()
	select {
	case <-ctx.Done():
	case <-time.After(10 * time.Second):
		t.Error("the signal did not arrive")
	}
}

// A supervisor that is impatient with an extension which is already at its end.
func TestASignalDuringSHUTDOWNIsNoSecondEnd(t *testing.T) {
	failed := errors.New("failed")
	for _, want := range []error{nil, failed} {
		p := newPlatform(shutdown)
		init := make(chan context.Context, 1)
		var reasons []string
		err := run(t, p, sdk.Config{
			OnInit: func(ctx context.Context, _ sdk.Info) error { init <- ctx; return nil },
			OnShutdown: func(ctx context.Context, ev sdk.Event) error {
				reasons = append(reasons, ev.ShutdownReason)
				if len(reasons) > 1 {
					return nil
				}
				if err := terminate(); err != nil {
					return err
				}
				until(<-init, t)
				if ctx.Err() != nil {
					t.Errorf("the signal took the time of SHUTDOWN: %v", ctx.Err())
				}
				return want
			},
		})
		if !errors.Is(err, want) || len(reasons) != 1 || reasons[0] != extapi.ReasonSpindown {
			t.Errorf("it ended by %q with %v, want %v", reasons, err, want)
		}
	}
}

func TestAnEndDuringInit(t *testing.T) {
	take := func(context.Context, []telemetry.Event) error { return nil }

	p := newPlatform()
	var reasons []string
	err := run(t, p, sdk.Config{
		OnTelemetry: take,
		OnInit: func(ctx context.Context, _ sdk.Info) error {
			err := terminate()
			until(ctx, t)
			return err
		},
		OnShutdown: func(_ context.Context, ev sdk.Event) error { reasons = append(reasons, ev.ShutdownReason); return nil },
	})
	if err != nil || len(reasons) != 1 || reasons[0] != sdk.ReasonSignal || len(p.failures) > 0 {
		t.Errorf("by a signal: %v, shutdowns %q, told %v", err, reasons, p.failures)
	}

	farewell := func(context.Context, sdk.Event) error { t.Error("a farewell without a beginning"); return nil }
	p = newPlatform()
	err = run(t, p, sdk.Config{OnShutdown: farewell, OnInit: func(ctx context.Context, _ sdk.Info) error {
		err := terminate()
		until(ctx, t)
		return errors.Join(err, ctx.Err())
	}})
	if err != nil || len(p.failures) > 0 {
		t.Errorf("by a signal that OnInit heeds: %v, told %v", err, p.failures)
	}

	p = newPlatform()
	defer p.server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	err = sdk.Run(ctx, sdk.Config{
		Name: "x", API: p.api(), OnTelemetry: take,
		OnInit:     func(ctx context.Context, _ sdk.Info) error { cancel(); return ctx.Err() },
		OnShutdown: farewell,
	})
	if err != nil || len(p.failures) > 0 {
		t.Errorf("by the context in OnInit: %v, told %v", err, p.failures)
	}
	if err := sdk.Run(ctx, sdk.Config{Name: "x", API: p.api()}); err != nil {
		t.Errorf("by the context before registering: %v", err)
	}
}

// The time of OnShutdown is not for others to use up.
func TestABatchThatHangsLeavesTimeForOnShutdown(t *testing.T) {
	for _, protocol := range []sdk.Protocol{sdk.HTTP, sdk.TCP} {
		p := newPlatform(extapi.Event{EventType: extapi.Invoke})
		began, answered := make(chan struct{}), make(chan struct{})
		called := false
		err := run(t, p, sdk.Config{
			Telemetry: sdk.Telemetry{Protocol: protocol, Linger: time.Hour},
			OnTelemetry: func(ctx context.Context, _ []telemetry.Event) error {
				close(began)
				<-ctx.Done() // as a request to a backend that does not answer
				return ctx.Err()
			},
			OnInvoke: func(context.Context, sdk.Event) error {
				go func() {
					defer close(answered)
					p.hand(t, protocol, event("one"))
				}()
				<-began
				p.events <- extapi.Event{EventType: extapi.Shutdown, DeadlineMs: time.Now().Add(2 * time.Second).UnixMilli()}
				return nil
			},
			OnShutdown: func(ctx context.Context, _ sdk.Event) error {
				called = true
				return ctx.Err()
			},
		})
		<-answered
		if err != nil || !called {
			t.Errorf("%s: %v, OnShutdown called: %v", protocol, err, called)
		}
	}
}

// There are emulators that tell no deadline.
func TestAnEventWithoutADeadline(t *testing.T) {
	p := newPlatform()
	p.events = make(chan extapi.Event, 2)
	p.events <- invoke
	p.events <- shutdown
	seen := 0
	alive := func(ctx context.Context, _ sdk.Event) error { seen++; return ctx.Err() }
	ending := func(ctx context.Context, ev sdk.Event) error {
		if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) > 10*time.Second {
			t.Errorf("an end without an end: %v", deadline)
		}
		return alive(ctx, ev)
	}
	if err := run(t, p, sdk.Config{OnInvoke: alive, OnShutdown: ending}); err != nil || seen != 2 {
		t.Errorf("%d events, %v", seen, err)
	}
}

// A callback that heeds nothing does not keep the process.
func TestACallbackThatNeverReturnsDoesNotHoldUpTheEnd(t *testing.T) {
	for _, protocol := range []sdk.Protocol{sdk.HTTP, sdk.TCP} {
		p := newPlatform(extapi.Event{EventType: extapi.Invoke})
		began, release, let := make(chan struct{}), make(chan struct{}), make(chan struct{})
		ended := false
		err := run(t, p, sdk.Config{
			Telemetry: sdk.Telemetry{Protocol: protocol},
			OnTelemetry: func(context.Context, []telemetry.Event) error {
				close(began)
				<-release
				return nil
			},
			OnInvoke: func(context.Context, sdk.Event) error {
				go func() {
					defer close(let)
					p.hand(t, protocol, event("one"))
				}()
				<-began
				return terminate()
			},
			OnShutdown: func(context.Context, sdk.Event) error { ended = true; return nil },
		})
		if err != nil || !ended {
			t.Errorf("%s: %v, OnShutdown called: %v", protocol, err, ended)
		}
		close(release)
		<-let
	}
}
