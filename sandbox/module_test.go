package sandbox_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lambent-host/lambent/abi"
	"github.com/lambent-host/lambent/sandbox"
	"github.com/lambent-host/lambent/sandbox/internal/wasmtest"
)

// built runs f on a module with a memory.
func built(f func(m *wasmtest.Module)) []byte {
	m := &wasmtest.Module{}
	f(m)
	m.Memory(1, -1)
	m.Func("lambent_invoke", "i>i", "", "i32.const 0")
	return m.Bytes()
}

func TestBadModules(t *testing.T) {
	empty := &wasmtest.Module{}
	empty.Memory(1, -1)
	wrong := &wasmtest.Module{}
	wrong.Memory(1, -1)
	wrong.Func("lambent_invoke", ">", "", "")
	bare := &wasmtest.Module{}
	bare.Func("lambent_invoke", "i>i", "", "i32.const 0")
	large := &wasmtest.Module{}
	large.Memory(3000, -1)
	large.Func("_start", ">", "", "")

	for _, c := range []struct {
		name string
		wasm []byte
		want string
		late bool // found by Compile only
	}{
		{"nothing", nil, "not a WebAssembly module", false},
		{"unknown import", built(func(m *wasmtest.Module) { m.Import("env", "foo", ">") }), `module imports "env"."foo", which does not exist`, false},
		{"unknown import of the host's", built(func(m *wasmtest.Module) { m.Import("lambent_v1", "foo", ">") }), `"lambent_v1"."foo", which does not exist`, false},
		{"another version", built(func(m *wasmtest.Module) { m.Import("lambent_v2", "event_read", "iii>i") }), `"lambent_v2"."event_read", which does not exist`, false},
		{"wrong import", built(func(m *wasmtest.Module) { m.Import("lambent_v1", "event_read", "ii>i") }),
			`"lambent_v1"."event_read" as (i32 i32) -> i32, but it is (i32 i32 i32) -> i32`, false},
		{"the meter's", built(func(m *wasmtest.Module) { m.Import("lambent_meter", "yield", ">l") }), `imports "lambent_meter"."yield", a name`, false},
		{"no entry", empty.Bytes(), `exports neither "lambent_invoke" (a Lambent function) nor "_start" (a WASI command)`, false},
		{"wrong entry", wrong.Bytes(), `exports "lambent_invoke" as function () -> (), but it must be a function (i32) -> i32`, false},
		{"no memory", bare.Bytes(), `exports no memory "memory"`, false},
		{"type error", built(func(m *wasmtest.Module) { m.Func("", ">i", "", "i64.const 1") }), "not valid", true},
		// The index that the fuel will take.
		{"sets a global that does not exist", built(func(m *wasmtest.Module) { m.Func("", ">", "", "i64.const 1 global.set 0") }), "not valid", true},
		{"needs more memory", large.Bytes(), "needs 196608000 bytes of memory from the start, the limit is 134217728", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var refused *sandbox.ModuleError
			_, err := sandbox.Inspect(c.wasm)
			if c.late && err != nil {
				t.Errorf("Inspect: %v", err)
			}
			if !c.late && (!errors.As(err, &refused) || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("Inspect: %v, want %q", err, c.want)
			}
			_, err = newEngine(t).Compile(context.Background(), c.wasm, sandbox.Limits{MemoryBytes: defaultMemory})
			if !errors.As(err, &refused) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Compile: %v, want %q", err, c.want)
			}
		})
	}
}

func TestInspect(t *testing.T) {
	info, err := sandbox.Inspect(newGuest().handler(echo))
	if err != nil || info.Kind != abi.KindReactor || info.MinMemoryBytes != 1<<16 || info.Imports != 6 {
		t.Errorf("%+v, %v", info, err)
	}
	m := &wasmtest.Module{}
	m.Func("_start", ">", "", "")
	if info, err = sandbox.Inspect(m.Bytes()); err != nil || info.Kind != abi.KindCommand || info.HasMemory {
		t.Errorf("%+v, %v", info, err)
	}
}

// A command that writes pieces of its memory: "echo" runs its input through,
// and the exit code is given.
func commandModule(code string) []byte {
	m := &wasmtest.Module{}
	m.Import("wasi_snapshot_preview1", "fd_read", "iiii>i")
	m.Import("wasi_snapshot_preview1", "fd_write", "iiii>i")
	m.Import("wasi_snapshot_preview1", "proc_exit", "i>")
	m.Memory(1, -1)
	m.Data(0, []byte("\x64\x00\x00\x00\x00\x10\x00\x00")) // 4096 bytes at 100
	m.Func("_start", ">", "", code)
	return m.Bytes()
}

func TestCommands(t *testing.T) {
	const pass = `i32.const 0 i32.const 0 i32.const 1 i32.const 4 call 0 drop
		i32.const 1 i32.const 0 i32.const 1 i32.const 8 call 1 drop `
	for _, c := range []struct {
		name, code, want string
		kind             sandbox.FaultKind
	}{
		{"echo", pass, "event\n", 0},
		{"exit 0", pass + "i32.const 0 call 2", "event\n", 0},
		{"silent", "", "null", 0},
		{"exit 3", pass + "i32.const 3 call 2", "", sandbox.FaultExit},
		{"trap", pass + "unreachable", "", sandbox.FaultTrap},
		{"loop", pass + "loop > br 0 end", "", sandbox.FaultTimeout},
		{"flood", "loop > i32.const 1 i32.const 0 i32.const 1 i32.const 8 call 1 i32.eqz br_if 0 end", "", sandbox.FaultResponseTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			i := start(t, commandModule(c.code), sandbox.InstanceConfig{})
			runs := 2
			if c.kind != 0 {
				runs = 1
			}
			for range runs {
				res, err := i.Invoke(within(t, 300*time.Millisecond), sandbox.Invocation{Event: []byte("event\n")})
				if c.kind != 0 {
					mustFault(t, err, c.kind)
					_, err = invoke(t, i, "")
					if !errors.Is(err, sandbox.ErrFaulted) {
						t.Errorf("after the fault: %v", err)
					}
					return
				}
				if err != nil || string(res.Payload) != c.want {
					t.Errorf("%q, %v", res.Payload, err)
				}
			}
		})
	}
}

func TestBadInstanceConfig(t *testing.T) {
	m := compile(t, newGuest().handler(echo), defaultMemory)
	for want, cfg := range map[string]sandbox.InstanceConfig{
		"is not of the form KEY=value": {Env: []string{"HOME"}},
		"KEY=value":                    {Env: []string{"=x"}},
		"opening the folder of /tmp":   {TmpDir: "/does/not/exist"},
	} {
		if _, err := m.Instantiate(context.Background(), cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// A closed engine compiles nothing, and closing in any order is harmless.
func TestClosing(t *testing.T) {
	ctx := context.Background()
	e, err := sandbox.New(ctx, sandbox.Config{})
	if err != nil {
		t.Fatal(err)
	}
	limits := sandbox.Limits{MemoryBytes: defaultMemory}
	a, err := e.Compile(ctx, newGuest().handler(echo), limits)
	if err != nil {
		t.Fatal(err)
	}
	b, err := e.Compile(ctx, newGuest().handler(echo), sandbox.Limits{MemoryBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(a.Close(ctx), a.Close(ctx)); err != nil {
		t.Fatal(err)
	}
	// The same code under another limit is still there.
	i, err := b.Instantiate(ctx, sandbox.InstanceConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if err := i.Init(ctx); err != nil {
		t.Fatal(err)
	}
	if res, err := invoke(t, i, "x"); err != nil || string(res.Payload) != "x" {
		t.Errorf("%q, %v", res.Payload, err)
	}
	if err := errors.Join(i.Close(ctx), e.Close(ctx), e.Close(ctx), b.Close(ctx)); err != nil {
		t.Error(err)
	}
	if _, err := e.Compile(ctx, newGuest().handler(echo), limits); !errors.Is(err, sandbox.ErrClosed) {
		t.Errorf("Compile after Close: %v", err)
	}
}

// A module that was compiled before is found again and not written twice.
func TestCacheIsUsed(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	for range 2 {
		e, err := sandbox.New(ctx, sandbox.Config{CacheDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Compile(ctx, newGuest().handler(echo), sandbox.Limits{MemoryBytes: defaultMemory}); err != nil {
			t.Fatal(err)
		}
		if err := e.Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if entries := mustList(t, dir); len(entries) != 1 {
		t.Errorf("%d entries in the cache", len(entries))
	}
}

func mustList(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
