package life

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/extensions/internal/actors"
	"github.com/lambent-host/lambent/telemetry"
)

func TestMain(m *testing.M) {
	actors.Play()
	goleak.VerifyTestMain(m)
}

const limit = 20 * time.Second

// led leads an actor to the end of its init phase.
func led(t *testing.T, name string, invokeTimeout time.Duration) (*Environment, *telemetry.Subscription) {
	t.Helper()
	bus := telemetry.NewBus()
	t.Cleanup(bus.Close)
	env := New(bus, Config{ID: "e", Dir: actors.Folder(t, name), Function: "f", Env: []string{actors.Env}, InvokeTimeout: invokeTimeout})
	t.Cleanup(func() {
		if err := env.Close(); err != nil {
			t.Error(err)
		}
	})
	sub := env.Stream.Subscribe(telemetry.SubscriptionConfig{})
	if err := env.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := env.FinishInit(t.Context()); err != nil {
		t.Fatal(err)
	}
	return env, sub
}

// published is what was published since it was asked last.
func published(sub *telemetry.Subscription) string {
	var words []string
	for ev, ok := sub.TryNext(); ok; ev, ok = sub.TryNext() {
		word := strings.TrimPrefix(string(ev.Type), "platform.")
		switch r := ev.Record.(type) {
		case telemetry.RuntimeDone:
			word += fmt.Sprintf(" %s %s %d", r.Status, r.ErrorType, r.Metrics.ProducedBytes)
		case telemetry.Report:
			word += fmt.Sprintf(" %s %d", r.Status, len(r.Spans))
		case string:
			word += " " + r
		}
		words = append(words, word)
	}
	return strings.Join(words, "; ")
}

func TestLifeInOrder(t *testing.T) {
	env, sub := led(t, "good", 0)
	if got, want := published(sub), "initStart; initRuntimeDone; extension; initReport"; got != want {
		t.Errorf("init: %s, want %s", got, want)
	}
	for _, c := range []struct {
		in   Invocation
		want string
	}{
		{Invocation{Write: func(w io.Writer) { _, _ = io.WriteString(w, "a\nb") }}, "start; function a; function b; runtimeDone success  11; report success 1"},
		{Invocation{HandlerError: true}, "start; runtimeDone success  0; report success 1"},
		{Invocation{Unreported: true}, "start; runtimeDone success  11"},
		{Invocation{Status: telemetry.StatusError, ErrorType: "Runtime.ExitError"}, "start; runtimeDone error Runtime.ExitError 0; report error 0"},
	} {
		phase, err := env.Invoke(t.Context(), c.in)
		if err != nil || (phase.Overhead > 0) != c.in.succeeds() {
			t.Errorf("%+v: %v", phase, err)
		}
		if got := published(sub); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
	if env.Len() != 1 || env.Shutdown(t.Context(), extapi.ReasonFailure) != nil {
		t.Error("it does not end")
	}
}

func TestATimeoutTakesAllTheTime(t *testing.T) {
	const timeout = 300 * time.Millisecond
	env, sub := led(t, "good", timeout)
	published(sub)
	began := time.Now()
	if _, err := env.Invoke(t.Context(), Invocation{Status: telemetry.StatusTimeout}); err != nil || time.Since(began) < timeout {
		t.Errorf("%v after %s", err, time.Since(began))
	}
	if got, want := published(sub), "start; runtimeDone timeout  0; report timeout 0"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestWhoFailed(t *testing.T) {
	env, _ := led(t, "midcrash", limit)
	_, err := env.Invoke(t.Context(), Invocation{})
	if failed := Died(err); failed == nil || failed.Name != "midcrash" || failed.Type != extapi.FatalCrash {
		t.Errorf("%v", err)
	}
	env, _ = led(t, "hang", 100*time.Millisecond)
	_, err = env.Invoke(t.Context(), Invocation{})
	if Died(err) != nil || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	unborn := New(telemetry.NewBus(), Config{})
	if unborn.Len() != 0 || unborn.Shutdown(t.Context(), extapi.ReasonSpindown) != nil || unborn.Close() != nil {
		t.Error("what was not started does not end")
	}
}
