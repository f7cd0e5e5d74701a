package sandbox_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lambent-host/lambent/sandbox"
	"github.com/lambent-host/lambent/sandbox/internal/wasmtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cacheDir keeps compiled Go modules over test runs: compiling one takes seconds.
func cacheDir(t testing.TB) string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return t.TempDir()
	}
	return filepath.Join(dir, "lambent-test", "prepared")
}

func newEngine(t testing.TB) *sandbox.Engine {
	t.Helper()
	e, err := sandbox.New(context.Background(), sandbox.Config{CacheDir: cacheDir(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return e
}

const defaultMemory = 128 << 20

func compile(t testing.TB, wasm []byte, memory uint64) *sandbox.Module {
	t.Helper()
	m, err := newEngine(t).Compile(context.Background(), wasm, sandbox.Limits{MemoryBytes: memory})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// start compiles, instantiates and initialises a module.
func start(t testing.TB, wasm []byte, cfg sandbox.InstanceConfig) *sandbox.Instance {
	t.Helper()
	i := instantiate(t, compile(t, wasm, defaultMemory), cfg)
	if err := i.Init(within(t, 30*time.Second)); err != nil {
		t.Fatal(err)
	}
	return i
}

func instantiate(t testing.TB, m *sandbox.Module, cfg sandbox.InstanceConfig) *sandbox.Instance {
	t.Helper()
	i, err := m.Instantiate(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = i.Close(context.Background()) })
	return i
}

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// invoke runs one event with a generous deadline.
func invoke(t testing.TB, i *sandbox.Instance, event string) (sandbox.Result, error) {
	t.Helper()
	return i.Invoke(within(t, 30*time.Second), sandbox.Invocation{Event: []byte(event)})
}

func mustFault(t testing.TB, err error, kind sandbox.FaultKind) *sandbox.Fault {
	t.Helper()
	var f *sandbox.Fault
	if !errors.As(err, &f) || f.Kind != kind {
		t.Fatalf("ended with %v, want a fault of kind %v", err, kind)
	}
	return f
}

// guest is a module with the ABI's imports, by name, and a memory of one page.
type guest struct {
	wasmtest.Module
}

// The ABI's imports in the order newGuest imports them.
const imports = `event_read iii>i response_write ii>i fail iiii>i fail_document ii>i context_read iii>i deadline_ms >l`

func newGuest() *guest {
	g := &guest{}
	words := strings.Fields(imports)
	for i := 0; i < len(words); i += 2 {
		g.Import("lambent_v1", words[i], words[i+1])
	}
	g.Memory(1, -1)
	return g
}

// named replaces the names of imports by their indices.
func named(code string) string {
	names := strings.Fields(imports)
	words := strings.Fields(code)
	for i, w := range words {
		if at := slices.Index(names, w); i > 0 && words[i-1] == "call" && at >= 0 {
			words[i] = strconv.Itoa(at / 2)
		}
	}
	return strings.Join(words, " ")
}

// handler sets lambent_invoke; its argument is the event's length.
func (g *guest) handler(code string) []byte {
	g.Func("lambent_invoke", "i>i", "i", named(code))
	return g.Bytes()
}

const echo = `i32.const 0 local.get 0 i32.const 0 call event_read local.set 1
	i32.const 0 local.get 1 call response_write`
