package observer

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/lambent-host/lambent/extensions"
	"github.com/lambent-host/lambent/extensions/sdk"
	"github.com/lambent-host/lambent/telemetry"
)

// witnessVariable makes this test binary an extension that writes what it is told
// to the file that the variable names.
const witnessVariable = "LAMBENT_TEST_WITNESS"

func TestMain(m *testing.M) {
	if file := os.Getenv(witnessVariable); file != "" {
		os.Exit(witness(file))
	}
	goleak.VerifyTestMain(m)
}

func witness(file string) int {
	out, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 1
	}
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) }
	err = sdk.Run(context.Background(), sdk.Config{
		OnInit: func(_ context.Context, info sdk.Info) error {
			say("pid %d of %s, %s", os.Getpid(), info.FunctionName, os.Getenv("LAMBENT_EXTENSION_SCOPE"))
			return nil
		},
		OnInvoke:   func(_ context.Context, ev sdk.Event) error { say("INVOKE %s", ev.EnvironmentID); return nil },
		OnShutdown: func(_ context.Context, ev sdk.Event) error { say("SHUTDOWN %s", ev.ShutdownReason); return nil },
		OnTelemetry: func(_ context.Context, events []telemetry.Event) error {
			for _, ev := range events {
				if ev.Source != nil {
					say("%s of %s", ev.Type, ev.Source.EnvironmentID)
				}
			}
			return nil
		},
		Telemetry: sdk.Telemetry{Types: []telemetry.Category{telemetry.CategoryFunction}, Timeout: 25 * time.Millisecond},
	})
	if err != nil {
		say("ended by %v", err)
		return 1
	}
	return 0
}

// folder holds this test binary as the extension "witness", with the file beside it.
func folder(t *testing.T, functions ...string) (dir, file string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir, file = t.TempDir(), filepath.Join(t.TempDir(), "told")
	if err := os.Symlink(self, filepath.Join(dir, "witness")); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]any{"functions": functions, "environment": map[string]string{witnessVariable: file}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "witness.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, file
}

type fixture struct {
	*testing.T
	*Observer
	bus  *telemetry.Bus
	file string
}

func start(t *testing.T, functions ...string) *fixture {
	t.Helper()
	f := &fixture{T: t, bus: telemetry.NewBus()}
	t.Cleanup(f.bus.Close)
	var dir string
	dir, f.file = folder(t, functions...)
	var err error
	if f.Observer, err = New(Config{Dir: dir, Bus: f.bus, Region: "us-east-1", AccountID: "000000000000", Log: zerolog.Nop()}); err != nil {
		t.Fatal(err)
	}
	f.all[0].first = time.Millisecond
	f.Start()
	t.Cleanup(f.end)
	f.ready(nil)
	return f
}

// ready waits until a process other than that of old takes events.
func (f *fixture) ready(old *extensions.Set) {
	f.Helper()
	f.await("process that is ready", func() bool { set := f.all[0].set.Load(); return set != nil && set != old })
}

func (f *fixture) end() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := f.Shutdown(ctx); err != nil {
		f.Error(err)
	}
}

func (f *fixture) await(what string, cond func() bool) {
	f.Helper()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.After(20 * time.Second); !cond(); {
		select {
		case <-ticker.C:
		case <-deadline:
			text, _ := os.ReadFile(f.file)
			f.Fatalf("no %s; it was told\n%s", what, text)
		}
	}
}

// tells waits until the extension has written the line.
func (f *fixture) tells(line string) {
	f.Helper()
	f.await(line, func() bool {
		text, _ := os.ReadFile(f.file)
		return strings.Contains(string(text), line+"\n")
	})
}

func (f *fixture) pid() (pid int) {
	f.Helper()
	text, err := os.ReadFile(f.file)
	if err != nil {
		f.Fatal(err)
	}
	last := text[strings.LastIndex(string(text), "pid "):]
	if _, err := fmt.Sscanf(string(last), "pid %d", &pid); err != nil {
		f.Fatal(err)
	}
	return pid
}

func (f *fixture) publish(function, environment string) {
	s := f.bus.Open(telemetry.Source{FunctionName: function, EnvironmentID: environment})
	defer s.Close()
	s.Publish(telemetry.TypeFunction, "a line")
	f.Observe(function, extensions.InvokeEvent{EnvironmentID: environment, Deadline: time.Now().Add(time.Minute)})
}

func TestItIsToldOfTheFunctionsItIsAttachedTo(t *testing.T) {
	f := start(t, "orders-*")
	f.publish("other", "unheard")
	f.publish("orders-eu", "one")
	f.publish("orders-us", "two")
	for _, line := range []string{"INVOKE one", "INVOKE two", "function of one", "function of two"} {
		f.tells(line)
	}
	f.end()
	f.tells("SHUTDOWN spindown")
	if text, _ := os.ReadFile(f.file); strings.Contains(string(text), "unheard") || !strings.Contains(string(text), "of lambent, host\n") {
		t.Errorf("it was told\n%s", text)
	}
}

func TestOneThatEndsIsStartedAgain(t *testing.T) {
	f := start(t)
	for range 2 {
		old := f.all[0].set.Load()
		if err := syscall.Kill(f.pid(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		f.ready(old)
	}
	f.publish("any", "later")
	f.tells("INVOKE later")
	f.tells("function of later")
}

func TestAHostThatEndsDoesNotWaitForAnInit(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mute"), []byte("#!/bin/sh\nsleep 60\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	bus := telemetry.NewBus()
	defer bus.Close()
	o, err := New(Config{Dir: dir, Bus: bus, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	o.Start()
	ctx, cancel := context.WithTimeout(t.Context(), initTimeout/2)
	defer cancel()
	if err := o.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}

func TestFaultsNameTheFile(t *testing.T) {
	for text, want := range map[string]string{`{"functions":["["]}`: `witness.json: functions[0]`, `{"x":1}`: `witness.json: json: unknown field "x"`} {
		dir, _ := folder(t)
		if err := os.WriteFile(filepath.Join(dir, "witness.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := New(Config{Dir: dir}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	if o, err := New(Config{Dir: filepath.Join(t.TempDir(), "missing")}); err != nil || o.Len() != 0 {
		t.Errorf("a folder that is not there: %v", err)
	}
}
