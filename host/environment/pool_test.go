package environment

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/lambent-host/lambent/abi/gobuild/gobuildtest"
	"github.com/lambent-host/lambent/host/catalogue"
	"github.com/lambent-host/lambent/host/publish"
	"github.com/lambent-host/lambent/sandbox"
	"github.com/lambent-host/lambent/telemetry"
)

func TestMain(m *testing.M) {
	if gate := os.Getenv(gateVariable); gate != "" {
		os.Exit(slowExtension(gate)) // this process was started as an extension
	}
	if part := os.Getenv(partVariable); part != "" {
		os.Exit(brittleExtension(part))
	}
	goleak.VerifyTestMain(m)
}

// oneModule leases one compiled module for every version and counts the leases.
type oneModule struct {
	module *sandbox.Module
	leased atomic.Int64
}

func (o *oneModule) Lease(context.Context, catalogue.Version) (*publish.Lease, error) {
	o.leased.Add(1)
	return &publish.Lease{Module: o.module, Release: func() { o.leased.Add(-1) }}, nil
}

// newPool returns a pool over functions/<source>, shut down when the test ends.
func newPool(t *testing.T, source string, idle time.Duration) (*Pool, *oneModule) {
	t.Helper()
	return newPoolOf(t, gobuildtest.Function(t, source), func(cfg *Config) { cfg.Idle = idle })
}

// newPoolOf returns a pool over a module, configured otherwise than it would be.
func newPoolOf(t *testing.T, wasm []byte, change func(cfg *Config)) (*Pool, *oneModule) {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	engine, err := sandbox.New(t.Context(), sandbox.Config{CacheDir: filepath.Join(cache, "lambent-test", "compiled")})
	if err != nil {
		t.Fatal(err)
	}
	module, err := engine.Compile(t.Context(), wasm, sandbox.Limits{MemoryBytes: 128 << 20})
	if err != nil {
		t.Fatal(err)
	}
	modules := &oneModule{module: module}
	var ids atomic.Int64
	cfg := Config{
		Modules: modules, Bus: telemetry.NewBus(), TmpRoot: t.TempDir(), Idle: time.Hour, InitTimeout: InitTimeout,
		Region: "us-east-1", AccountID: "000000000000", Log: zerolog.Nop(),
		NewID: func() string { return "environment-" + strconv.FormatInt(ids.Add(1), 10) },
	}
	change(&cfg)
	pool := NewPool(cfg)
	t.Cleanup(func() {
		ctx := context.Background()
		if err := errors.Join(pool.Shutdown(ctx), module.Close(ctx), engine.Close(ctx)); err != nil {
			t.Error(err)
		}
		if n := modules.leased.Load(); n != 0 {
			t.Errorf("%d modules are still leased", n)
		}
	})
	return pool, modules
}

func version(revision string) catalogue.Version {
	return catalogue.Version{
		FunctionName: "f", Version: "$LATEST", FunctionARN: "arn:aws:lambda:us-east-1:000000000000:function:f",
		RevisionID: revision, Settings: catalogue.Settings{MemorySize: 128, Timeout: 5},
	}
}

// run acquires, invokes and waits until the environment has settled.
func run(t *testing.T, pool *Pool, v catalogue.Version) (answer Answer, cold bool) {
	t.Helper()
	lease, err := pool.Acquire(t.Context(), v, "")
	if err != nil {
		t.Fatal(err)
	}
	settled := make(chan struct{})
	answer, err = lease.Invoke(t.Context(), Invocation{
		RequestID: "r", Payload: []byte(`{}`), Deadline: time.Now().Add(5 * time.Second),
	}, func() { close(settled) })
	if err != nil {
		t.Fatal(err)
	}
	<-settled
	return answer, lease.Cold()
}

func TestAWarmEnvironmentIsUsedAgainForItsRevisionOnly(t *testing.T) {
	pool, _ := newPool(t, "counter", time.Hour)
	steps := []struct {
		revision, payload string
		cold              bool
	}{
		{"a", `{"count":1}`, true},
		{"a", `{"count":2}`, false},
		{"b", `{"count":1}`, true},
		{"a", `{"count":3}`, false},
	}
	for i, s := range steps {
		answer, cold := run(t, pool, version(s.revision))
		if string(answer.Payload) != s.payload || cold != s.cold {
			t.Errorf("step %d: %s cold=%v, want %s cold=%v", i, answer.Payload, cold, s.payload, s.cold)
		}
	}
	if n := pool.Warm(); n != 2 {
		t.Errorf("%d warm, want one for each revision", n)
	}
	pool.Retire(version("b"))
	if _, cold := run(t, pool, version("b")); cold {
		t.Error("the current revision's environment was retired")
	}
	if _, cold := run(t, pool, version("a")); !cold {
		t.Error("a retired environment was used again")
	}
}

func TestTwoInvocationsAtATimeHaveTwoEnvironments(t *testing.T) {
	pool, modules := newPool(t, "counter", time.Hour)
	first, err := pool.Acquire(t.Context(), version("a"), "")
	if err != nil {
		t.Fatal(err)
	}
	if answer, cold := run(t, pool, version("a")); !cold || string(answer.Payload) != `{"count":1}` {
		t.Errorf("the second shares the first's environment: %s cold=%v", answer.Payload, cold)
	}
	if _, err := first.Invoke(t.Context(), Invocation{Payload: []byte(`{}`), Deadline: time.Now().Add(time.Second)}, func() {}); err != nil {
		t.Fatal(err)
	}
	if n := modules.leased.Load(); n != 2 {
		t.Errorf("%d modules leased by two environments", n)
	}
}

func TestIdleEnvironmentsAreEnded(t *testing.T) {
	pool, modules := newPool(t, "counter", 50*time.Millisecond)
	run(t, pool, version("a"))
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.After(5 * time.Second); pool.Warm() > 0 || modules.leased.Load() > 0; {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatal("an idle environment was kept")
		}
	}
}

func TestAFaultEndsTheEnvironment(t *testing.T) {
	pool, modules := newPool(t, "trap", time.Hour)
	answer, _ := run(t, pool, version("a"))
	if answer.FunctionError != unhandled {
		t.Fatalf("answer %+v, want a function error", answer)
	}
	if pool.Warm() != 0 || modules.leased.Load() != 0 {
		t.Errorf("%d warm, %d leased after a fault: a broken environment was kept", pool.Warm(), modules.leased.Load())
	}
}

func TestACallerThatHangsUpDoesNotStopTheFunction(t *testing.T) {
	pool, _ := newPool(t, "counter", time.Hour)
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	lease, err := pool.Acquire(gone, version("a"), "")
	if err != nil {
		t.Fatal(err)
	}
	answer, err := lease.Invoke(gone, Invocation{Payload: []byte(`{}`), Deadline: time.Now().Add(5 * time.Second)}, func() {})
	if err != nil || answer.FunctionError != "" {
		t.Fatalf("%+v, %v: the function was stopped", answer, err)
	}
}

func TestShutdownWaitsForLeasesAndRefusesNewOnes(t *testing.T) {
	pool, _ := newPool(t, "counter", time.Hour)
	lease, err := pool.Acquire(t.Context(), version("a"), "")
	if err != nil {
		t.Fatal(err)
	}
	soon, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := pool.Shutdown(soon); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown with a lease out: %v, want it to wait until its deadline", err)
	}
	if _, err := pool.Acquire(t.Context(), version("a"), ""); !errors.Is(err, ErrClosed) {
		t.Errorf("Acquire after Shutdown began: %v, want ErrClosed", err)
	}
	if _, err := lease.Invoke(t.Context(), Invocation{Payload: []byte(`{}`), Deadline: time.Now().Add(5 * time.Second)}, func() {}); err != nil {
		t.Fatal(err)
	}
	if pool.Warm() != 0 {
		t.Error("an environment was kept after Shutdown began")
	}
}
