package publish

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lambent-host/lambent/sandbox"
	"github.com/lambent-host/lambent/sandbox/internal/wasmtest"
)

func TestMain(m *testing.M) {
	ExitIfChild()
	if dir := os.Getenv(hostMarker); dir != "" {
		beHost(dir)
	}
	goleak.VerifyTestMain(m)
}

func harmless() []byte {
	m := &wasmtest.Module{}
	m.Func("_start", ">", "", "")
	return m.Bytes()
}

func newChildren(t *testing.T, limits Limits) *Children {
	t.Helper()
	c, err := New(Config{Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// mustRefuse wants the module to be blamed.
func mustRefuse(t *testing.T, err error, want string) {
	t.Helper()
	var refused *sandbox.ModuleError
	if !errors.As(err, &refused) || !strings.Contains(refused.Reason, want) {
		t.Errorf("%v, want a *ModuleError with %q", err, want)
	}
}

func TestAChildPreparesWhatTheHostLoads(t *testing.T) {
	ctx := context.Background()
	var used []Usage
	c, err := New(Config{Ended: func(u Usage) { used = append(used, u) }})
	if err != nil {
		t.Fatal(err)
	}
	e, err := sandbox.New(ctx, sandbox.Config{CacheDir: t.TempDir(), Prepare: c.Prepare})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close(ctx) }()
	for range 2 {
		m, err := e.Publish(ctx, harmless(), sandbox.Limits{MemoryBytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		i, err := m.Instantiate(ctx, sandbox.InstanceConfig{})
		if err != nil {
			t.Fatal(err)
		}
		if err := i.Init(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := i.Invoke(ctx, sandbox.Invocation{}); err != nil {
			t.Error(err)
		}
		if err := i.Close(ctx); err != nil {
			t.Error(err)
		}
	}
	if len(used) != 1 || used[0].CPUTime <= 0 || used[0].WallTime <= 0 {
		t.Errorf("%+v, want one child that took something", used)
	}
}

func TestTheModulesFaultSurvivesTheBoundary(t *testing.T) {
	m := &wasmtest.Module{}
	m.Import("env", "foo", ">")
	_, err := newChildren(t, Limits{}).Prepare(context.Background(), m.Bytes(), t.TempDir())
	var refused *sandbox.ModuleError
	if !errors.As(err, &refused) || refused.Section != "import" || refused.Reason != `module imports "env"."foo", which does not exist` {
		t.Errorf("%v", err)
	}
}

func TestAChildThatCannotWriteIsTheHostsTrouble(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "module.wasm"), 0o700); err != nil { // is in the way
		t.Fatal(err)
	}
	_, err := newChildren(t, Limits{}).Prepare(context.Background(), harmless(), dir)
	var refused *sandbox.ModuleError
	if err == nil || errors.As(err, &refused) || !strings.Contains(err.Error(), "writing the metered module") {
		t.Errorf("%v", err)
	}
	if _, err := newChildren(t, Limits{}).Prepare(context.Background(), harmless(), "/does/not/exist"); err == nil || errors.As(err, &refused) {
		t.Errorf("%v", err)
	}
}

func TestAChildIsLimited(t *testing.T) {
	for _, c := range []struct {
		name   string
		limits Limits
		wasm   []byte
		want   string
	}{
		{"CPU time", Limits{CPUTime: time.Second}, wasmtest.SlowBomb(), "takes more than 1s of CPU time"},
		{"wall time", Limits{WallTime: time.Second}, wasmtest.SlowBomb(), "took longer than 1s"},
		{"memory", Limits{MemoryBytes: 128 << 20}, wasmtest.HungryBomb(), "needs more than 128 MB of memory"},
		{"memory, one worker", Limits{MemoryBytes: 128 << 20, Workers: 1}, wasmtest.HungryBomb(), "needs more than 128 MB of memory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.limits.MemoryBytes > 0 && memoryLimit != nil {
				t.Skip(memoryLimit)
			}
			began := time.Now()
			_, err := newChildren(t, c.limits).Prepare(context.Background(), c.wasm, t.TempDir())
			mustRefuse(t, err, c.want)
			if took := time.Since(began); took > time.Minute {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// alive tells whether there is a process, which is not one that waits to be reaped.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

// eventually polls for at most a minute.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !is() {
		select {
		case <-deadline.C:
			t.Fatalf("%s did not happen", what)
		case <-ticker.C:
		}
	}
}

func TestCancelingKillsTheChild(t *testing.T) {
	c := newChildren(t, Limits{})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	pid := 0
	c.started = func(p int) { pid = p; time.AfterFunc(50*time.Millisecond, cancel) }
	_, err := c.Prepare(ctx, wasmtest.SlowBomb(), t.TempDir())
	var refused *sandbox.ModuleError
	if !errors.Is(err, context.Canceled) || errors.As(err, &refused) {
		t.Errorf("%v, want context.Canceled", err)
	}
	if alive(pid) {
		t.Error("the child lives on")
	}
}

func TestAProgramThatDoesNotKnowItsChildrenMakesNone(t *testing.T) {
	recognised.Store(false)
	_, err := New(Config{})
	recognised.Store(true)
	if err == nil {
		t.Error("children were made that would not know what they are")
	}
	t.Setenv(marker, "1")
	if _, err := New(Config{}); err == nil {
		t.Error("a child made children")
	}
}

func TestValidate(t *testing.T) {
	if err := (Limits{}).Validate(); err != nil {
		t.Error(err)
	}
	if err := DefaultLimits().Validate(); err != nil {
		t.Error(err)
	}
	bad := Limits{MemoryBytes: 1, CPUTime: 1, WallTime: -1, OpenFiles: 1, Nice: 20, Workers: -1}
	err := bad.Validate()
	for _, field := range []string{"MemoryBytes", "CPUTime", "WallTime", "OpenFiles", "Nice", "Workers"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%v, want %s in it", err, field)
		}
	}
	if _, err := New(Config{Limits: bad}); err == nil {
		t.Error("New took bad limits")
	}
}

// script is a child of another kind.
func script(t *testing.T, text string) *Children {
	t.Helper()
	path := filepath.Join(t.TempDir(), "child")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip(err)
	}
	c := newChildren(t, Limits{WallTime: 20 * time.Second})
	c.path = path
	return c
}

// How a child ends decides who is to blame.
func TestVerdicts(t *testing.T) {
	const hello = `printf 'lmp1\016\000\000\000{"ready":true}'; `
	for _, c := range []struct {
		name, text, want string
		blamed           bool
	}{
		{"a compiler that panics", hello + `echo 'panic: BUG: no register' >&2; exit 2`, "the compiler failed on this module: BUG: no register", true},
		{"a compiler that crashes", hello + `echo 'fatal error: unexpected signal' >&2; exit 2`, "the compiler failed on this module: unexpected signal", true},
		{"out of memory", hello + `echo 'fatal error: runtime: out of memory' >&2; exit 2`, "needs more than 2048 MB", true},
		{"out of CPU time", hello + `echo 'SIGXCPU: cpu limit exceeded' >&2; exit 2`, "more than 2m0s of CPU time", true},
		{"no threads", hello + `echo 'runtime: failed to create new OS thread (have 5 already; errno=11)' >&2; echo 'fatal error: newosproc' >&2; exit 2`, "ended early", false},
		{"killed from outside", hello + `kill -9 $$`, "signal: killed", false},
		{"silent", hello, "without an answer", false},
		{"not a child", `echo hello; echo 'no such command' >&2`, "did not begin", false},
		{"says two things", hello + `printf 'lmp1\042\000\000\000{"failed":"x","refused":{"Reason":""}}'`, "ended early", false},
		{"talks without end", `while :; do echo talk; done`, "did not begin", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := script(t, c.text).Prepare(context.Background(), harmless(), t.TempDir())
			var refused *sandbox.ModuleError
			if err == nil || !strings.Contains(err.Error(), c.want) || errors.As(err, &refused) != c.blamed {
				t.Errorf("%v, want %q, the module blamed: %v", err, c.want, c.blamed)
			}
		})
	}
}
