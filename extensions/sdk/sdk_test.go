package sdk_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/extensions/sdk"
	"github.com/lambent-host/lambent/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	invoke   = extapi.Event{EventType: extapi.Invoke, RequestID: "r"}
	shutdown = extapi.Event{EventType: extapi.Shutdown, ShutdownReason: "spindown"}
)

func run(t *testing.T, p *platform, cfg sdk.Config) error {
	t.Helper()
	defer p.server.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	cfg.Name, cfg.API = "x", p.api()
	err := sdk.Run(ctx, cfg)
	if ctx.Err() != nil {
		t.Fatal("it did not end by itself")
	}
	return err
}

func nothing(context.Context, sdk.Event) error { return nil }

func TestRegistersForWhatItHandles(t *testing.T) {
	for _, test := range []struct {
		cfg  sdk.Config
		want []extapi.EventType
	}{
		{sdk.Config{}, []extapi.EventType{extapi.Shutdown}},
		{sdk.Config{OnInvoke: nothing}, []extapi.EventType{extapi.Invoke, extapi.Shutdown}},
	} {
		p := newPlatform(shutdown)
		if err := run(t, p, test.cfg); err != nil || !slices.Equal(p.reg.Events, test.want) || p.reg.Name != "x" || !p.reg.AccountID {
			t.Errorf("%+v, %v; want %v", p.reg, err, test.want)
		}
	}
}

func TestSubscription(t *testing.T) {
	onTelemetry := func(context.Context, []telemetry.Event) error { return nil }
	p := newPlatform(shutdown)
	if err := run(t, p, sdk.Config{OnTelemetry: onTelemetry}); err != nil {
		t.Fatal(err)
	}
	if s := p.sub; s.Schema != telemetry.Schema20221213 || len(s.Types) != 3 || s.Buffering.Timeout != time.Second ||
		!strings.HasPrefix(s.Destination.URI, "http://sandbox.localdomain:") || s.Destination.Port == 0 {
		t.Errorf("by default: %+v", s)
	}
	p = newPlatform(shutdown)
	err := run(t, p, sdk.Config{OnTelemetry: onTelemetry, Telemetry: sdk.Telemetry{
		Types: []telemetry.Category{telemetry.CategoryFunction}, Schema: telemetry.Schema20250129,
		MaxItems: 1000, MaxBytes: 300000, Timeout: 25 * time.Millisecond, Linger: time.Millisecond,
	}})
	want := extapi.Buffering{MaxItems: 1000, MaxBytes: 300000, Timeout: 25 * time.Millisecond}
	if s := p.sub; err != nil || s.Schema != telemetry.Schema20250129 || len(s.Types) != 1 || s.Buffering != want {
		t.Errorf("as configured: %+v, %v", s, err)
	}
}

func TestFailures(t *testing.T) {
	failed := errors.New("failed")
	fail := func(context.Context, sdk.Event) error { return failed }
	tests := []struct {
		name string
		cfg  sdk.Config
		want extapi.FailurePhase
	}{
		{"init", sdk.Config{OnInit: func(context.Context, sdk.Info) error { return failed }}, extapi.FailedInit},
		{"invoke", sdk.Config{OnInvoke: fail}, extapi.FailedExit},
		{"shutdown", sdk.Config{OnShutdown: fail}, extapi.FailedExit},
	}
	for _, test := range tests {
		p := newPlatform(invoke, shutdown)
		err := run(t, p, test.cfg)
		if !errors.Is(err, failed) || len(p.failures) != 1 || p.failures[0].Phase != test.want {
			t.Errorf("%s: %v, told %v", test.name, err, p.failures)
		}
	}
	p := newPlatform()
	p.refuse = extapi.Forbidden(extapi.ErrSubscriptionClosed, "closed")
	err := run(t, p, sdk.Config{OnTelemetry: func(context.Context, []telemetry.Event) error { return nil }})
	var refused *extapi.Error
	if !errors.As(err, &refused) || refused.Type != extapi.ErrSubscriptionClosed || refused.Status != 403 {
		t.Errorf("subscription refused: %v", err)
	}
	if err := sdk.Run(context.Background(), sdk.Config{}); err == nil || !strings.Contains(err.Error(), "AWS_LAMBDA_RUNTIME_API") {
		t.Errorf("no address: %v", err)
	}
}

func TestEndsWithItsContext(t *testing.T) {
	p := newPlatform()
	defer p.server.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cfg := sdk.Config{Name: "x", API: p.api(), OnInit: func(context.Context, sdk.Info) error {
		cancel()
		return nil
	}}
	if err := sdk.Run(ctx, cfg); err != nil {
		t.Error(err)
	}
}

func TestCallbacksHaveTheDeadline(t *testing.T) {
	ev := invoke
	ev.DeadlineMs = time.Now().Add(10 * time.Second).UnixMilli() // before the end of the test
	err := run(t, newPlatform(ev, shutdown), sdk.Config{OnInvoke: func(ctx context.Context, got sdk.Event) error {
		if deadline, ok := ctx.Deadline(); !ok || deadline.UnixMilli() != ev.DeadlineMs || got.RequestID != "r" {
			t.Errorf("deadline %v, event %+v", deadline, got)
		}
		return nil
	}})
	if err != nil {
		t.Error(err)
	}
}

func TestListenerAnswers(t *testing.T) {
	var got []telemetry.Event
	refuse := true
	p := newPlatform(invoke, shutdown)
	statuses := map[string]int{}
	one := batch(telemetry.Event{Type: telemetry.TypeFunction, Record: "a"})
	err := run(t, p, sdk.Config{
		OnInvoke: func(context.Context, sdk.Event) error {
			statuses["not taken"] = p.deliver(one)
			refuse = false
			statuses["taken"] = p.deliver(one)
			statuses["no array"] = p.deliver(`{}`)
			statuses["one bad event"] = p.deliver(`[{"time":1},` + one[1:])
			return nil
		},
		OnTelemetry: func(_ context.Context, events []telemetry.Event) error {
			if refuse {
				return errors.New("not now")
			}
			got = append(got, events...)
			return nil
		},
	})
	want := map[string]int{"not taken": 500, "taken": 200, "no array": 400, "one bad event": 200}
	for name, status := range want {
		if statuses[name] != status {
			t.Errorf("%s: status %d, want %d", name, statuses[name], status)
		}
	}
	if err != nil || len(got) != 2 || got[1].Record != "a" {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestOneBatchAtATime(t *testing.T) {
	const batches = 20
	p := newPlatform(invoke, shutdown)
	one := batch(telemetry.Event{Type: telemetry.TypeFunction, Record: "a"})
	var inside, total atomic.Int32
	err := run(t, p, sdk.Config{
		OnInvoke: func(context.Context, sdk.Event) error {
			var wg sync.WaitGroup
			for range batches {
				wg.Go(func() { p.deliver(one) })
			}
			wg.Wait()
			return nil
		},
		OnTelemetry: func(context.Context, []telemetry.Event) error {
			if inside.Add(1) != 1 {
				t.Error("two batches at once")
			}
			for range 1000 {
				runtime.Gosched() // let others in
			}
			inside.Add(-1)
			total.Add(1)
			return nil
		},
	})
	if err != nil || total.Load() != batches {
		t.Errorf("%d batches, %v", total.Load(), err)
	}
}
