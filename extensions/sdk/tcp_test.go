package sdk_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/extensions/sdk"
	"github.com/lambent-host/lambent/telemetry"
)

// lines is what a callback was given.
type lines struct {
	mu  sync.Mutex
	got []string
	is  chan struct{}
}

func (l *lines) take(_ context.Context, events []telemetry.Event) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, ev := range events {
		l.got = append(l.got, fmt.Sprint(ev.Record))
	}
	select {
	case l.is <- struct{}{}:
	default:
	}
	return nil
}

func (l *lines) has(want ...string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Equal(l.got, want)
}

// event is a line of telemetry over TCP.
func event(text string) string {
	return fmt.Sprintf(`{"time":"2026-01-02T03:04:05.678Z","type":"function","record":%q}`+"\n", text)
}

func TestTelemetryOverTCP(t *testing.T) {
	p := newPlatform(extapi.Event{EventType: extapi.Invoke})
	l := &lines{is: make(chan struct{}, 1)}
	long := strings.Repeat("x", 200<<10)
	err := run(t, p, sdk.Config{
		OnTelemetry: l.take,
		Telemetry:   sdk.Telemetry{Protocol: sdk.TCP},
		OnInvoke: func(context.Context, sdk.Event) error {
			if d := p.sub.Destination; d.Protocol != extapi.ProtocolTCP || d.Port == 0 {
				t.Errorf("subscribed to %+v", d)
			}
			conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", p.sub.Destination.Port))
			if err != nil {
				return err
			}
			t.Cleanup(func() { _ = conn.Close() })
			for _, part := range []string{event("one"), "nonsense\n\n", event("two")[:20], event("two")[20:], event(long), event("last")} {
				if _, err := conn.Write([]byte(part)); err != nil {
					return err
				}
			}
			// The end comes at once: what was sent before is still taken.
			p.events <- extapi.Event{EventType: extapi.Shutdown, DeadlineMs: time.Now().Add(10 * time.Second).UnixMilli()}
			return nil
		},
		OnShutdown: func(context.Context, sdk.Event) error {
			if !l.has("one", "two", long, "last") {
				t.Errorf("before the end it was given %.200q", l.got)
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAConnectionThatStaysOpenDoesNotHoldUpTheEnd(t *testing.T) {
	p := newPlatform(extapi.Event{EventType: extapi.Invoke})
	began := time.Now()
	err := run(t, p, sdk.Config{
		OnTelemetry: (&lines{}).take,
		Telemetry:   sdk.Telemetry{Protocol: sdk.TCP},
		OnInvoke: func(context.Context, sdk.Event) error {
			conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", p.sub.Destination.Port))
			if err != nil {
				return err
			}
			t.Cleanup(func() { _ = conn.Close() })
			p.events <- extapi.Event{EventType: extapi.Shutdown, DeadlineMs: time.Now().Add(15 * time.Second).UnixMilli()}
			return nil
		},
	})
	if took := time.Since(began); err != nil || took > 10*time.Second {
		t.Errorf("it ended after %v with %v", took, err)
	}
}

// A supervisor's SIGTERM is an end like SHUTDOWN.
func TestSIGTERMIsAnEnd(t *testing.T) {
	p := newPlatform(extapi.Event{EventType: extapi.Invoke})
	reason := ""
	err := run(t, p, sdk.Config{
		OnInvoke:   func(context.Context, sdk.Event) error { return syscall.Kill(syscall.Getpid(), syscall.SIGTERM) },
		OnShutdown: func(_ context.Context, ev sdk.Event) error { reason = ev.ShutdownReason; return nil },
	})
	if err != nil || reason != sdk.ReasonSignal {
		t.Errorf("it ended by %q, %v", reason, err)
	}
	if len(p.failures) > 0 {
		t.Errorf("it reported %+v", p.failures)
	}
}

func TestHandlersTakeBatchesApart(t *testing.T) {
	var got []string
	say := func(format string, args ...any) error { got = append(got, fmt.Sprintf(format, args...)); return nil }
	h := sdk.Handlers{
		Report: func(_ context.Context, at time.Time, r telemetry.Report) error {
			return say("report %s %d", r.RequestID, at.Unix())
		},
		Log: func(_ context.Context, _ time.Time, typ telemetry.Type, line string) error {
			return say("%s %s", typ, line)
		},
		Other: func(_ context.Context, ev telemetry.Event) error { return say("other %s", ev.Type) },
		Done:  func(_ context.Context, events int) error { return say("done %d", events) },
	}
	at := time.Unix(7, 0)
	batch := []telemetry.Event{
		{Time: at, Type: telemetry.TypeReport, Record: telemetry.Report{RequestID: "r"}},
		{Type: telemetry.TypeFunction, Record: "a line"},
		{Type: telemetry.TypeExtension, Record: []byte(nil)},
		{Type: telemetry.TypeStart, Record: telemetry.Start{}},
		{Type: "platform.later", Record: nil},
		{Type: telemetry.TypeFault, Record: "a fault"},
	}
	if err := h.Handle(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	want := []string{"report r 7", "function a line", "other extension", "other platform.start", "other platform.later", "other platform.fault", "done 6"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := (sdk.Handlers{}).Handle(t.Context(), batch); err != nil {
		t.Errorf("without functions: %v", err)
	}
	failed := errors.New("failed")
	h.Report = func(context.Context, time.Time, telemetry.Report) error { return failed }
	if got = nil; !errors.Is(h.Handle(t.Context(), batch), failed) || len(got) != 0 {
		t.Errorf("after an error %q", got)
	}
}
