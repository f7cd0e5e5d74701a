package environment

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// timelineDir builds the sample extension into a folder of its own.
func timelineDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "timeline"), "github.com/lambent-host/lambent/extensions/examples/timeline")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the sample extension: %v\n%s", err, out)
	}
	return dir
}

func TestTheAnswerDoesNotWaitForExtensionsButTheEnvironmentDoes(t *testing.T) {
	pool, _ := newPool(t, "counter", time.Hour)
	pool.cfg.ExtensionsDir = timelineDir(t)
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
