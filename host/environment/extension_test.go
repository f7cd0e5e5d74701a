package environment

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/lambent-host/lambent/extensions/extensionstest"
	"github.com/lambent-host/lambent/extensions/sdk"
)

// gateVariable, in a function's environment, makes this test binary an extension
// that is done with an event once the named file is there.
const gateVariable = "LAMBENT_TEST_GATE"

func slowExtension(gate string) int {
	err := sdk.Run(context.Background(), sdk.Config{OnInvoke: func(context.Context, sdk.Event) error {
		ticker := time.NewTicker(5 * time.Millisecond) // it does not heed its deadline
		defer ticker.Stop()
		for range ticker.C {
			if _, err := os.Stat(gate); err == nil {
				break
			}
		}
		return nil
	}})
	if err != nil {
		return 1
	}
	return 0
}

// slowExtensionDir is a folder with this test binary as its one extension.
func slowExtensionDir(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	binary, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "slow"), binary, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestTheAnswerDoesNotWaitForExtensionsButTheEnvironmentDoes(t *testing.T) {
	pool, _ := newPool(t, "counter", time.Hour)
	pool.cfg.ExtensionsDir = slowExtensionDir(t)
	gate := filepath.Join(t.TempDir(), "gate")
	v := version("a")
	v.Timeout = 20
	v.Environment = map[string]string{gateVariable: gate}
	lease, err := pool.Acquire(t.Context(), v, "")
	if err != nil {
		t.Fatal(err)
	}
	settled := make(chan struct{})
	answer, err := lease.Invoke(t.Context(), Invocation{Payload: []byte(`{}`), Deadline: time.Now().Add(20 * time.Second)}, func() { close(settled) })
	if err != nil || string(answer.Payload) != `{"count":1}` {
		t.Fatalf("answer %s, %v", answer.Payload, err)
	}
	select {
	case <-settled:
		t.Fatal("the environment is free although its extension is still at work")
	default:
	}
	if pool.Warm() != 0 {
		t.Error("the environment is warm although its extension is still at work")
	}
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	<-settled
	if pool.Warm() != 1 {
		t.Error("the environment is not warm after its extension was done")
	}
}

func TestAnExtensionThatIsNeverDoneEndsThePhaseAtItsDeadline(t *testing.T) {
	pool, _ := newPool(t, "counter", time.Hour)
	pool.cfg.ExtensionsDir = slowExtensionDir(t)
	v := version("a")
	v.Timeout = 1
	v.Environment = map[string]string{gateVariable: filepath.Join(t.TempDir(), "never")}
	lease, err := pool.Acquire(t.Context(), v, "")
	if err != nil {
		t.Fatal(err)
	}
	answer, err := lease.Invoke(t.Context(), Invocation{RequestID: "r", Payload: []byte(`{}`), Deadline: time.Now().Add(time.Second), Tail: true}, func() {})
	if err != nil {
		t.Fatal(err)
	}
	if answer.FunctionError != unhandled || !bytes.Contains(answer.Payload, []byte("Task timed out after 1.00 seconds")) {
		t.Errorf("answer %s %s, want a timeout: it covers extensions as well", answer.FunctionError, answer.Payload)
	}
	if pool.Warm() != 0 {
		t.Error("an environment whose extension hangs was kept")
	}
}

func TestASampleExtensionHearsOfEachInvocation(t *testing.T) {
	pool, _ := newPool(t, "counter", time.Hour)
	pool.cfg.ExtensionsDir = extensionstest.Sample(t)
	v := version("a")
	file := filepath.Join(t.TempDir(), "timeline.jsonl")
	v.Environment = map[string]string{"TIMELINE_FILE": file}
	for _, want := range []string{`{"count":1}`, `{"count":2}`} {
		answer, _ := run(t, pool, v)
		if string(answer.Payload) != want {
			t.Errorf("answer %s, want %s", answer.Payload, want)
		}
	}
	if err := pool.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"INVOKE"`, `"platform.report"`, `"SHUTDOWN"`} {
		if !bytes.Contains(raw, []byte(want)) {
			t.Errorf("the extension did not receive %s:\n%s", want, raw)
		}
	}
}

func TestAnExtensionThatCannotStartFailsTheInvocation(t *testing.T) {
	pool, _ := newPool(t, "counter", time.Hour)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "broken"), []byte("#!/bin/sh\nexit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	pool.cfg.ExtensionsDir = dir
	answer, _ := run(t, pool, version("a"))
	if answer.FunctionError != unhandled || !bytes.Contains(answer.Payload, []byte("Extension.")) {
		t.Errorf("answer %s %s, want an error of type Extension.*", answer.FunctionError, answer.Payload)
	}
	if pool.Warm() != 0 {
		t.Error("an environment without its extension was kept")
	}
}
