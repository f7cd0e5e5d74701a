package extensions

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/extensions/internal/actors"
	"github.com/lambent-host/lambent/telemetry"
)

func TestEmptySet(t *testing.T) {
	for _, dir := range []string{"", filepath.Join(t.TempDir(), "absent"), t.TempDir()} {
		s := newStage(t)
		set, err := Start(s.ctx(), s.config(dir))
		if err != nil {
			t.Fatal(err)
		}
		set.Invoke(InvokeEvent{})
		err = errors.Join(set.FinishInit(s.ctx()), set.AwaitIdle(s.ctx()), set.Shutdown(s.ctx(), "spindown", limit))
		if err != nil || set.Len() != 0 || set.server != nil {
			t.Errorf("dir %q: error %v, %d extensions, server %v", dir, err, set.Len(), set.server)
		}
	}
}

func TestLife(t *testing.T) {
	s := ready(t, "good", "observer")
	if s.set.Len() != 2 {
		t.Fatalf("Len is %d", s.set.Len())
	}
	for i := range 3 {
		s.set.Invoke(InvokeEvent{RequestID: fmt.Sprint(i), Deadline: time.Now().Add(limit)})
		if err := s.set.AwaitIdle(s.ctx()); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	for range 2 {
		ev := s.until("platform.extension", func(ev telemetry.Event) bool { return ev.Type == telemetry.TypeExtensionState })
		r := ev.Record.(telemetry.Extension)
		names = append(names, r.Name+" "+r.State+" "+strings.Join(r.Events, ",")+r.ErrorType)
	}
	if want := []string{"good Ready INVOKE,SHUTDOWN", "observer Ready SHUTDOWN"}; !slices.Equal(names, want) {
		t.Errorf("platform.extension: %q, want %q", names, want)
	}
	began := time.Now()
	s.shutdown(limit)
	if took := time.Since(began); took > limit/2 {
		t.Errorf("two extensions that end themselves took %v", took)
	}
	s.shutdown(limit) // idempotent
}

func TestInitFailures(t *testing.T) {
	tests := []struct {
		actor, typ, state, errorType string
	}{
		{"crash", extapi.FatalCrash, "Exited", extapi.FatalCrash},
		{"initcrash", extapi.FatalCrash, "Exited", extapi.FatalCrash},
		{"initerror", extapi.FatalInitError, "InitError", "Extension.NoSuchKey"},
	}
	for _, test := range tests {
		t.Run(test.actor, func(t *testing.T) {
			s := newStage(t)
			set, err := Start(s.ctx(), s.config(actors.Folder(t, "good", test.actor)))
			if err == nil { // it registered before it failed
				err = set.FinishInit(s.ctx())
				defer func() { _ = set.Shutdown(context.Background(), "failure", 0) }()
			}
			var failed *ExtensionError
			if !errors.As(err, &failed) || failed.Type != test.typ || failed.Name != test.actor {
				t.Fatalf("error %v", err)
			}
			ev := s.until("platform.extension", func(ev telemetry.Event) bool {
				r, ok := ev.Record.(telemetry.Extension)
				return ok && r.Name == test.actor
			})
			if r := ev.Record.(telemetry.Extension); r.State != test.state || r.ErrorType != test.errorType {
				t.Errorf("platform.extension %+v", r)
			}
		})
	}
}

func TestNotExecutable(t *testing.T) {
	s := newStage(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "plain"), []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Start(s.ctx(), s.config(dir))
	var failed *ExtensionError
	if !errors.As(err, &failed) || failed.Type != extapi.FatalLaunchError || failed.Reason != "PermissionDenied" {
		t.Fatalf("error %v", err)
	}
	r := s.until("platform.extension", func(ev telemetry.Event) bool { return ev.Type == telemetry.TypeExtensionState }).Record.(telemetry.Extension)
	if r.State != "LaunchError" || r.ErrorType != "PermissionDenied" {
		t.Errorf("platform.extension %+v", r)
	}
}

func TestInitIsBounded(t *testing.T) {
	s := newStage(t)
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	_, err := Start(ctx, s.config(actors.Folder(t, "mute")))
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "mute is Started") {
		t.Errorf("an extension that never registers: %v", err)
	}

	s = started(t, "neverpoll")
	ctx, cancel = context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	err = s.set.FinishInit(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "neverpoll is Registered") {
		t.Errorf("an extension that never asks for its first event: %v", err)
	}
}

// TestGates holds that an invocation is held up by those alone that asked for INVOKE.
func TestGates(t *testing.T) {
	if s := ready(t, "observer"); s.set.Gates() || s.set.AwaitIdle(s.ctx()) != nil {
		t.Error("an extension that does not receive INVOKE is waited for")
	}
	if s := ready(t, "observer", "good"); !s.set.Gates() {
		t.Error("an extension that receives INVOKE is not waited for")
	}
	if s := newStage(t); (&Set{cfg: s.config("")}).Gates() {
		t.Error("without extensions somebody is waited for")
	}
}

func TestInvokeFailures(t *testing.T) {
	tests := []struct{ actor, typ, reason string }{
		{"midcrash", extapi.FatalCrash, "exit status 2"},
		{"exiterror", extapi.FatalExitError, "Extension.DiskFull"},
	}
	for _, test := range tests {
		t.Run(test.actor, func(t *testing.T) {
			s := ready(t, "good", test.actor)
			s.set.Invoke(InvokeEvent{RequestID: "r", Deadline: time.Now().Add(limit)})
			var failed *ExtensionError
			err := s.set.AwaitIdle(s.ctx())
			if !errors.As(err, &failed) || failed.Type != test.typ || failed.Reason != test.reason || failed.Name != test.actor {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestHangInInvokeIsBounded(t *testing.T) {
	s := ready(t, "hang", "good")
	s.set.Invoke(InvokeEvent{RequestID: "r", Deadline: time.Now()})
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	err := s.set.AwaitIdle(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "hang is Running") {
		t.Errorf("error %v", err)
	}
}

func TestShutdownKills(t *testing.T) {
	const budget = 300 * time.Millisecond
	for _, actor := range []string{"undead", "hang"} {
		t.Run(actor, func(t *testing.T) {
			s := ready(t, actor)
			s.set.Invoke(InvokeEvent{RequestID: "r", Deadline: time.Now()})
			began := time.Now()
			s.shutdown(budget)
			if took := time.Since(began); took < budget || took > budget+5*time.Second {
				t.Errorf("shutdown took %v of a budget of %v", took, budget)
			}
		})
	}
	t.Run("not registered for SHUTDOWN", func(t *testing.T) {
		s := ready(t, "ignorant")
		began := time.Now()
		s.shutdown(limit)
		if took := time.Since(began); took > limit/2 {
			t.Errorf("it was given %v", took)
		}
	})
}

// TestShutdownWaits has a task and a connection end late.
func TestShutdownWaits(t *testing.T) {
	s := ready(t, "good")
	var ended atomic.Int32
	late := func() {
		<-s.set.ctx.Done()
		<-time.After(50 * time.Millisecond)
		ended.Add(1)
	}
	s.set.tasks.Go(late)
	s.set.conns.Go(late)
	s.shutdown(limit)
	if n := ended.Load(); n != 2 {
		t.Errorf("%d of 2 had ended", n)
	}
}

// TestChildrenDieToo has an extension leave a process behind that holds its
// output open.
func TestChildrenDieToo(t *testing.T) {
	for _, budget := range []time.Duration{0, limit} {
		s := ready(t, "parent")
		var child int
		s.until("child", func(ev telemetry.Event) bool {
			line, _ := ev.Record.(string)
			n, _ := fmt.Sscanf(line, "child %d", &child)
			return n == 1
		})
		s.shutdown(budget)
		deadline := time.Now().Add(limit)
		for actors.Alive(child) {
			if time.Now().After(deadline) {
				t.Fatalf("budget %v: process %d is still there", budget, child)
			}
		}
	}
}

func TestDiscover(t *testing.T) {
	dir := actors.Folder(t, "b", "a")
	if err := os.MkdirAll(filepath.Join(dir, "folder", "deep"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/nowhere", filepath.Join(dir, "dangling")); err != nil {
		t.Fatal(err)
	}
	got, err := Discover(dir)
	if want := []string{filepath.Join(dir, "a"), filepath.Join(dir, "b")}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	names := make([]string, extapi.MaxExtensions+1)
	for i := range names {
		names[i] = fmt.Sprint("x", i)
	}
	other := t.TempDir()
	for _, name := range []string{filepath.Base(got[0]), "0"} {
		if err := os.WriteFile(filepath.Join(other, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	both, err := Discover(dir, filepath.Join(dir, "missing"), other)
	if err != nil || !slices.Equal(both, append(slices.Clone(got), filepath.Join(other, "0"))) {
		t.Errorf("of two folders: %v, %v", both, err)
	}
	if got, err := (Config{Dir: actors.Folder(t, names...)}).paths(); err == nil {
		t.Errorf("%d extensions were accepted", len(got))
	}
}

func TestEnviron(t *testing.T) {
	got := environ([]string{
		"KEY=a=b", "AWS_REGION=r", "AWS_EXECUTION_ENV=x", "AWS_LAMBDA_LOG_GROUP_NAME=x", "AWS_LAMBDA_LOG_STREAM_NAME=x",
		"AWS_XRAY_CONTEXT_MISSING=x", "AWS_XRAY_DAEMON_ADDRESS=x", "LAMBDA_RUNTIME_DIR=x", "LAMBDA_TASK_ROOT=x",
		"_AWS_XRAY_DAEMON_PORT=x", "_HANDLER=x", "AWS_LAMBDA_RUNTIME_API=x",
	}, "127.0.0.1:1")
	if want := []string{"KEY=a=b", "AWS_REGION=r", "AWS_LAMBDA_RUNTIME_API=127.0.0.1:1"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestOutputOfAnySize(t *testing.T) {
	t.Run("flood", func(t *testing.T) {
		s := ready(t, "flood")
		for i := range actors.FloodLines {
			ev := s.until("a line", func(ev telemetry.Event) bool { return ev.Type == telemetry.TypeExtension })
			if ev.Record != fmt.Sprint("flood ", i) {
				t.Fatalf("line %d: %v", i, ev.Record)
			}
		}
	})
	t.Run("huge line", func(t *testing.T) {
		s := ready(t, "hugeline")
		s.shutdown(limit)
		s.stream.Close()
		total := 0
		for ev, ok := s.events.TryNext(); ok; ev, ok = s.events.TryNext() {
			if ev.Type == telemetry.TypeExtension {
				total += len(ev.Record.(string))
			}
		}
		if total != actors.HugeLineBytes {
			t.Errorf("%d of %d bytes arrived", total, actors.HugeLineBytes)
		}
	})
}

func TestTheOperatorSeesWhatADyingExtensionWrote(t *testing.T) {
	dir := t.TempDir()
	script := "#!/bin/sh\nyes 0123456789 | head -c 10000\necho cannot open the key >&2\nexit 3\n"
	if err := os.WriteFile(filepath.Join(dir, "broken"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	s := newStage(t)
	var log bytes.Buffer
	cfg := s.config(dir)
	cfg.Log = zerolog.New(&log)
	if _, err := Start(s.ctx(), cfg); err == nil {
		t.Fatal("it started")
	}
	var entry struct{ Extension, Output string }
	for line := range bytes.Lines(log.Bytes()) {
		if bytes.Contains(line, []byte("wrote before it ended")) {
			if err := json.Unmarshal(line, &entry); err != nil {
				t.Fatal(err)
			}
		}
	}
	if entry.Extension != "broken" || !strings.HasSuffix(entry.Output, "cannot open the key\n") || len(entry.Output) > 2*keptOutput {
		t.Errorf("the log says %s", log.Bytes())
	}
}
