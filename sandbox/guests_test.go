package sandbox_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lambent-host/lambent/abi"
	"github.com/lambent-host/lambent/abi/abitest"
	"github.com/lambent-host/lambent/abi/gobuild"
	"github.com/lambent-host/lambent/abi/gobuild/gobuildtest"
	"github.com/lambent-host/lambent/sandbox"
)

// runner lets the suite of package abitest run guests in this sandbox. A module
// is compiled once.
type runner struct {
	engine  *sandbox.Engine
	mu      sync.Mutex
	modules map[[32]byte]*sandbox.Module
}

func newRunner(t testing.TB) *runner {
	return &runner{engine: newEngine(t), modules: map[[32]byte]*sandbox.Module{}}
}

func (r *runner) compile(t testing.TB, wasm []byte) *sandbox.Module {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := sha256.Sum256(wasm)
	if r.modules[key] == nil {
		m, err := r.engine.Compile(context.Background(), wasm, sandbox.Limits{MemoryBytes: defaultMemory})
		if err != nil {
			t.Fatal(err)
		}
		r.modules[key] = m
	}
	return r.modules[key]
}

func (r *runner) Start(t testing.TB, cfg abitest.Config) abitest.Instance {
	m := r.compile(t, cfg.Module)
	i, err := m.Instantiate(context.Background(), sandbox.InstanceConfig{
		Env: cfg.Env, Stdout: cfg.Stderr, Stderr: cfg.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	return subject{i, m, cfg}
}

type subject struct {
	i   *sandbox.Instance
	m   *sandbox.Module
	cfg abitest.Config
}

// snapshot is one of this sandbox, for the suite of package abitest.
type snapshot struct {
	s *sandbox.Snapshot
	m *sandbox.Module
	c abitest.Config
}

func (s subject) Snapshot(ctx context.Context, t testing.TB) (abitest.Snapshot, error) {
	taken, err := s.i.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _, _ = s.i.Close(context.Background()), taken.Close() })
	return snapshot{taken, s.m, s.cfg}, nil
}

func (s snapshot) Restore(ctx context.Context, _ testing.TB) (abitest.Instance, error) {
	i, err := s.m.Restore(ctx, s.s, sandbox.InstanceConfig{Env: s.c.Env, Stdout: s.c.Stderr, Stderr: s.c.Stderr})
	return subject{i, s.m, s.c}, err
}

func (s subject) Init(ctx context.Context) error  { return s.i.Init(ctx) }
func (s subject) Close(ctx context.Context) error { return s.i.Close(ctx) }

func (s subject) Invoke(ctx context.Context, inv abitest.Invocation) abitest.Outcome {
	res, err := s.i.Invoke(ctx, sandbox.Invocation{Event: inv.Event, RequestID: inv.RequestID, FunctionARN: inv.FunctionARN,
		TraceID: inv.TraceID, ClientContext: inv.ClientContext, CognitoIdentity: inv.CognitoIdentity, Deadline: inv.Deadline})
	out := abitest.Outcome{Payload: res.Payload}
	if res.Error != nil {
		out.Document = res.Error.Document
	}
	var f *sandbox.Fault
	if errors.As(err, &f) && f.Kind == sandbox.FaultExit {
		out.Exited, out.ExitCode = true, f.ExitCode
	} else {
		out.Fault = err
	}
	return out
}

func TestABISuite(t *testing.T) {
	r := newRunner(t)
	t.Run("C", func(t *testing.T) { abitest.Conformance(t, r, abitest.CGuest(t, "conformance")) })
	t.Run("Go", func(t *testing.T) { abitest.Conformance(t, r, abitest.GoGuest(t)) })
	t.Run("snapshots of C", func(t *testing.T) { abitest.Snapshots(t, r, abitest.CGuest(t, "conformance")) })
	t.Run("snapshots of Go", func(t *testing.T) { abitest.Snapshots(t, r, abitest.GoGuest(t)) })
	t.Run("aws-lambda-go", func(t *testing.T) { abitest.AWSLambda(t, r, abitest.AWSGuest(t, gobuild.SeamDirect)) })
	t.Run("command", func(t *testing.T) { abitest.Command(t, r, gobuildtest.Function(t, "stdio")) })
}

// function starts one of the sample functions.
func function(t *testing.T, name string, memory uint64, cfg sandbox.InstanceConfig) *sandbox.Instance {
	t.Helper()
	i := instantiate(t, compile(t, gobuildtest.Function(t, name), memory), cfg)
	if err := i.Init(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	return i
}

func TestHello(t *testing.T) {
	var log bytes.Buffer
	i := function(t, "hello", defaultMemory, sandbox.InstanceConfig{Env: []string{"GREETING=Good day"}, Stdout: &log, Stderr: &log})
	res, err := i.Invoke(within(t, time.Minute), sandbox.Invocation{Event: []byte(`{"name":"Ada"}`), RequestID: "r-1",
		Deadline: time.Now().Add(time.Minute)})
	if err != nil || res.Error != nil {
		t.Fatalf("%s, %v\n%s", res.Error, err, log.String())
	}
	var out struct{ Message, RequestID string }
	if json.Unmarshal(res.Payload, &out) != nil || out.Message != "Good day, Ada!" || out.RequestID != "r-1" {
		t.Errorf("%s", res.Payload)
	}
	if !strings.Contains(log.String(), "greeting Ada") {
		t.Errorf("log %q", log.String())
	}
	res, err = invoke(t, i, `{"fail":true}`)
	if err != nil || res.Error == nil || res.Error.Type != "greetingError" {
		t.Errorf("%+v, %v", res, err)
	}
	for _, event := range []string{`{"sleepMs":60000}`} {
		began := time.Now()
		_, err := i.Invoke(within(t, 300*time.Millisecond), sandbox.Invocation{Event: []byte(event), Deadline: time.Now().Add(time.Hour)})
		mustFault(t, err, sandbox.FaultTimeout)
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("%s ended after %v", event, took)
		}
	}
}

// The functions that go wrong, one each.
func TestFunctionsThatGoWrong(t *testing.T) {
	for _, c := range []struct {
		name, event string
		kind        sandbox.FaultKind
		typ         string
	}{
		{"trap", `{}`, sandbox.FaultExit, "string"},
		{"trap", `{"kind":"nil"}`, sandbox.FaultExit, "runtime.errorString"},
		{"spin", `{}`, sandbox.FaultTimeout, ""},
		{"recurse", `{"kind":"wide"}`, sandbox.FaultTimeout, ""},
		{"hoard", `{}`, sandbox.FaultMemory, ""},
		{"exit", `{"status":7}`, sandbox.FaultExit, ""},
		{"flood", `{"responseBytes":7000000}`, sandbox.FaultResponseTooLarge, ""},
	} {
		t.Run(c.name+c.event, func(t *testing.T) {
			i := function(t, c.name, 64<<20, sandbox.InstanceConfig{})
			began := time.Now()
			res, err := i.Invoke(within(t, 3*time.Second), sandbox.Invocation{Event: []byte(c.event), Deadline: time.Now().Add(time.Minute)})
			f := mustFault(t, err, c.kind)
			if c.name == "exit" && f.ExitCode != 7 {
				t.Errorf("exit code %d", f.ExitCode)
			}
			if (res.Error != nil) != (c.typ != "") {
				t.Errorf("%+v", res.Error)
			} else if c.typ != "" && !strings.Contains(string(res.Error.Document), "stackTrace") {
				t.Errorf("%s", res.Error.Document)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("ended after %v", took)
			}
		})
	}
}

func TestMemoryHungryFunctionWithinItsLimit(t *testing.T) {
	i := function(t, "hoard", 256<<20, sandbox.InstanceConfig{})
	res, err := invoke(t, i, `{"megabytes":30}`)
	if err != nil || string(res.Payload) != "30" {
		t.Fatalf("%+v, %v", res, err)
	}
	if got := i.MemoryBytes(); got < 30<<20 || got > 256<<20 {
		t.Errorf("%d bytes of memory", got)
	}
}

func TestCommand(t *testing.T) {
	var log bytes.Buffer
	m := compile(t, gobuildtest.Function(t, "stdio"), defaultMemory)
	if m.Kind() != abi.KindCommand {
		t.Fatalf("kind %v", m.Kind())
	}
	i := instantiate(t, m, sandbox.InstanceConfig{Stderr: &log})
	if err := i.Init(context.Background()); err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		res, err := invoke(t, i, fmt.Sprintf(`{"n":%d}`, n))
		if err != nil || len(res.Payload) == 0 || res.Error != nil {
			t.Fatalf("%s, %v\n%s", res.Payload, err, log.String())
		}
	}
	if i.MemoryBytes() == 0 {
		t.Error("no memory was reported")
	}
}
