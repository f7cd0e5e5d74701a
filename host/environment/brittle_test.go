package environment

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lambent-host/lambent/extensions/sdk"
	"github.com/lambent-host/lambent/telemetry"
)

// partVariable, in a function's environment, makes this test binary an extension
// that dies: "invoke" when it gets its first event, "init FILE" while it starts
// unless the file is there, "idle FILE" not by itself, but it writes its process id
// to the file.
const partVariable = "LAMBENT_TEST_PART"

func brittleExtension(part string) int {
	part, file, _ := strings.Cut(part, " ")
	cfg := sdk.Config{OnInvoke: func(context.Context, sdk.Event) error { return nil }}
	switch part {
	case "invoke":
		cfg.OnInvoke = func(context.Context, sdk.Event) error { os.Exit(3); return nil }
	case "init":
		if _, err := os.Stat(file); err != nil {
			_ = os.WriteFile(file, nil, 0o600)
			return 4
		}
	case "idle":
		if err := os.WriteFile(file, []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
			return 5
		}
	}
	if sdk.Run(context.Background(), cfg) != nil {
		return 1
	}
	return 0
}

func TestAnExtensionThatDiesEndsTheInvocation(t *testing.T) {
	pool, _ := newPool(t, "spin", time.Hour)
	pool.cfg.ExtensionsDir = slowExtensionDir(t)
	v := version("a")
	v.Timeout = 60
	v.Environment = map[string]string{partVariable: "invoke"}
	lease, err := pool.Acquire(t.Context(), v, "")
	if err != nil {
		t.Fatal(err)
	}
	answer, err := lease.Invoke(t.Context(), Invocation{RequestID: "r", Payload: []byte(`{}`), Deadline: time.Now().Add(time.Minute)}, func() {})
	if err != nil || answer.FunctionError != unhandled || !bytes.Contains(answer.Payload, []byte(`"Extension.Crash"`)) {
		t.Errorf("answer %s, %v; want Extension.Crash long before the function's timeout", answer.Payload, err)
	}
	if pool.Warm() != 0 {
		t.Error("the environment was kept")
	}
}

func TestAnInitThatAnExtensionFailedIsRepeatedByTheInvocation(t *testing.T) {
	pool, _ := newPool(t, "counter", time.Hour)
	pool.cfg.ExtensionsDir = slowExtensionDir(t)
	heard := pool.cfg.Bus.Subscribe(telemetry.SubscriptionConfig{})
	v := version("a")
	v.Timeout = 60
	v.Environment = map[string]string{partVariable: "init " + filepath.Join(t.TempDir(), "tried")}
	lease, err := pool.Acquire(t.Context(), v, "")
	if err != nil {
		t.Fatal(err)
	}
	answer, err := lease.Invoke(t.Context(), Invocation{RequestID: "r", Payload: []byte(`{}`), Deadline: time.Now().Add(time.Minute), Tail: true}, func() {})
	if err != nil || string(answer.Payload) != `{"count":1}` {
		t.Errorf("answer %s, %v; want the function's", answer.Payload, err)
	}
	var told []string
	for ev, ok := heard.TryNext(); ok; ev, ok = heard.TryNext() {
		switch r := ev.Record.(type) {
		case telemetry.InitStart:
			told = append(told, fmt.Sprintf("start %s", r.Phase))
		case telemetry.InitReport:
			told = append(told, fmt.Sprintf("report %s %s %s", r.Phase, r.Status, r.ErrorType))
		case telemetry.Start:
			told = append(told, "invoke")
		}
	}
	if got, want := strings.Join(told, ", "), "start init, report init error Extension.Crash, start invoke, report invoke success , invoke"; got != want {
		t.Errorf("telemetry tells\n %s, want\n %s", got, want)
	}
	if pool.Warm() != 1 {
		t.Error("the environment was not kept")
	}
}

func TestAnEnvironmentWhoseExtensionDiedMeanwhileIsNotUsed(t *testing.T) {
	pool, _ := newPool(t, "counter", time.Hour)
	pool.cfg.ExtensionsDir = slowExtensionDir(t)
	file := filepath.Join(t.TempDir(), "pid")
	v := version("a")
	v.Environment = map[string]string{partVariable: "idle " + file}
	if answer, cold := run(t, pool, v); !cold || string(answer.Payload) != `{"count":1}` {
		t.Fatalf("answer %s, cold=%v", answer.Payload, cold)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil {
		t.Fatal(err)
	}
	pool.mu.Lock()
	env := pool.warm[versionKey(v)][0]
	pool.mu.Unlock()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for deadline := time.After(10 * time.Second); !env.broken(); {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatal("the end of the extension was not noticed")
		}
	}
	if answer, cold := run(t, pool, v); !cold || string(answer.Payload) != `{"count":1}` {
		t.Errorf("answer %s, cold=%v; want that of another environment", answer.Payload, cold)
	}
}
