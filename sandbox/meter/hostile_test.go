package meter_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/lambent-host/lambent/sandbox/internal/wasmtest"
	"github.com/lambent-host/lambent/sandbox/meter"
)

func leb(n uint64) string { return string(binary.AppendUvarint(nil, n)) }

const header = "\x00asm\x01\x00\x00\x00"

// bomb is a function of no parameters with the given body.
func bomb(body string) []byte {
	m := &wasmtest.Module{}
	m.Raw("run", ">", []byte(body))
	return m.Bytes()
}

func TestHostileModulesAreRefused(t *testing.T) {
	imported := &wasmtest.Module{}
	imported.Import("lambent_meter", "yield", ">l")
	exported := &wasmtest.Module{}
	exported.Func("lambent_meter.start", ">", "", "")
	table := &wasmtest.Module{}
	table.Table('F', 1<<20, -1)
	table.Table('F', 1, -1)
	simple := &wasmtest.Module{}
	simple.Func("run", ">", "", "")
	already := rewrite(t, simple.Bytes())

	for _, c := range []struct {
		name string
		wasm []byte
		want string
	}{
		{"empty", nil, "not a WebAssembly module"},
		{"text", []byte("(module)"), "not a WebAssembly module"},
		{"component", []byte("\x00asm\x0d\x00\x01\x00"), "version is not 1"},
		{"four billion locals", bomb("\x01" + leb(1<<32-1) + "\x7f\x0b"), "more than 50000 locals"},
		{"four billion locals in two groups", bomb("\x02" + leb(40000) + "\x7f" + leb(40000) + "\x7e\x0b"), "more than 50000 locals"},
		{"groups without end", bomb(leb(1<<32-1) + "\x0b"), "end in the middle"},
		{"four billion types", []byte(header + "\x01\x05" + leb(1<<32-1)), "4294967295 entries, the limit is"},
		{"more types than bytes", []byte(header + "\x01\x02" + leb(5000)), "5000 entries in 0 bytes"},
		{"four billion functions", []byte(header + "\x03\x05" + leb(1<<32-1)), "function section: 4294967295 entries"},
		{"four billion parameters", []byte(header + "\x01\x07\x01\x60" + leb(1<<32-1)), "parameters or results, the limit is"},
		{"br_table of four billion", bomb("\x00\x41\x00\x0e" + leb(1<<32-1) + "\x00\x0b"), "4294967295 targets, the limit is 65520"},
		{"deep nesting", bomb("\x00" + strings.Repeat("\x02\x40", 6000) + strings.Repeat("\x0b", 6001)), "nest deeper than 5000"},
		{"locals times blocks", bomb("\x01" + leb(2000) + "\x7f" + strings.Repeat("\x03\x40\x0b", 2000) + "\x0b"), "locals times blocks"},
		{"huge function", bomb("\x00" + strings.Repeat("\x01", 8_000_000) + "\x0b"), "bytes of code, the limit is"},
		{"imports the meter", imported.Bytes(), `module imports "lambent_meter"."yield"`},
		{"exports the meter's start", exported.Bytes(), `module exports "lambent_meter.start"`},
		{"metered already", already, `module imports "lambent_meter"`},
		{"tables", table.Bytes(), "1048577 slots at least, the limit is 1048576"},
		{"section too long", []byte(header + "\x01\x7f\x00"), "ends in the middle"},
		{"section twice", []byte(header + "\x01\x01\x00\x01\x01\x00"), "occurs twice"},
		{"unknown section", []byte(header + "\x0d\x01\x00"), "not enabled"},
		{"rest in a section", []byte(header + "\x01\x02\x00\x00"), "1 bytes follow"},
		{"shared memory", []byte(header + "\x05\x04\x01\x03\x01\x01"), "not enabled"},
		{"atomics", bomb("\x00\xfe\x03\x00\x0b"), "0xfe"},
		{"exceptions", bomb("\x00\x08\x00\x0b"), "0x08"},
		{"bytes after the end", bomb("\x00\x0b\x0b"), "follow the last end"},
		{"no end", bomb("\x00\x01"), "ends in the middle"},
		{"long number", bomb("\x00\x41\x80\x80\x80\x80\x80\x00\x1a\x0b"), "longer than its type"},
		{"vector instruction with a hidden loop", bomb("\x00\xfd\x00\x00\x00\xfd\xe0\x03\x40\x0c\x00\x0b\x0b"), "0xfd"},
		{"second memory", bomb("\x00\x41\x00\x41\x00\x41\x00\xfc\x0b\x01\x0b"), "second memory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, _, err := meter.Rewrite(c.wasm, meter.Options{})
			var refused *meter.Error
			if !errors.As(err, &refused) || !strings.Contains(err.Error(), c.want) || out != nil {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// Refusing costs no more memory than the module is large.
func TestRefusingAllocatesLittle(t *testing.T) {
	wasm := bomb("\x01" + leb(1<<32-1) + "\x7f\x0b")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 100 {
		_, _, _ = meter.Rewrite(wasm, meter.Options{})
	}
	runtime.ReadMemStats(&after)
	if used := (after.TotalAlloc - before.TotalAlloc) / 100; used > 100_000 {
		t.Errorf("refusing %d bytes allocated %d", len(wasm), used)
	}
}

func TestTablesAreClamped(t *testing.T) {
	m := &wasmtest.Module{}
	m.Table('F', 10, -1)
	m.Table('E', 20, 0x7fffffff)
	m.Table('F', 30, 35)
	m.Func("run", "i>i", "", "ref.null F local.get 0 table.grow 0")
	f := newHost(t, wazero.NewRuntimeConfigCompiler()).mustInstantiate(rewrite(t, m.Bytes())).ExportedFunction("run")
	for _, c := range []struct{ n, want uint64 }{{300_000, 10}, {100_000, 0xffffffff}, {0, 300_010}} {
		if got, err := f.Call(context.Background(), c.n); err != nil || got[0] != c.want {
			t.Errorf("grow by %d: %x, %v; want %x", c.n, got, err, c.want)
		}
	}
}

func TestTruncatedModulesAreRefused(t *testing.T) {
	for _, p := range programs() {
		wasm := p.bytes()
		wasm = wasm[:min(len(wasm), 600)]
		for n := range wasm {
			_, _, err := meter.Rewrite(wasm[:n], meter.Options{})
			var refused *meter.Error
			if err != nil && !errors.As(err, &refused) {
				t.Fatalf("%s, %d bytes: %v", p.name, n, err)
			}
		}
	}
}

type stopHere struct{}

func (stopHere) NewFunctionListener(api.FunctionDefinition) experimental.FunctionListener {
	panic(errStopped)
}

// valid asks wazero, without compiling.
func valid(wasm []byte) (err error) {
	ctx := context.Background()
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(features))
	defer func() { _ = rt.Close(ctx) }()
	defer func() {
		if r := recover(); r != nil && r != any(errStopped) {
			panic(r)
		}
	}()
	_, err = rt.CompileModule(experimental.WithFunctionListenerFactory(ctx, stopHere{}), bytes.Clone(wasm))
	return err
}

// FuzzRewrite holds that no input makes the rewriter panic, and that whatever is
// valid and accepted is valid afterwards.
func FuzzRewrite(f *testing.F) {
	for _, p := range append(programs(), endless()...) {
		if wasm := p.bytes(); len(wasm) < 4096 {
			f.Add(wasm)
		}
	}
	f.Add(bomb("\x01" + leb(1<<32-1) + "\x7f\x0b"))
	f.Fuzz(func(t *testing.T, wasm []byte) {
		limits := meter.Limits{Locals: 1000, TotalLocals: 5000, TableSlots: 10_000, Params: 50}
		out, _, err := meter.Rewrite(wasm, meter.Options{Limits: limits})
		if err != nil {
			var refused *meter.Error
			if !errors.As(err, &refused) {
				t.Fatalf("%v is not a *meter.Error", err)
			}
			return
		}
		if valid(wasm) == nil {
			if err := valid(out); err != nil {
				t.Fatalf("a valid module became invalid: %v", err)
			}
		}
	})
}

// The blocks that are put around loops count, so that the compiler behind never
// gets more than the limits say.
func TestBlocksAroundLoopsCountAgainstTheLimits(t *testing.T) {
	for _, c := range []struct {
		loops   int
		inside  string
		refused string
	}{{11, "i32.const 1 br_if 0 ", "nest deeper"}, {9, "i32.const 1 br_if 0 ", ""}, {25, "", ""}} {
		for _, nested := range []bool{true, false} {
			m := &wasmtest.Module{}
			limits, code := meter.Limits{Nesting: 30}, strings.Repeat("loop > ", c.loops)+strings.Repeat(c.inside+"end ", c.loops)
			if !nested {
				limits, code = meter.Limits{LocalsTimesBlocks: 30}, strings.Repeat("loop > "+c.inside+"end ", c.loops)
			}
			m.Func("run", ">", "i", code)
			_, _, err := meter.Rewrite(m.Bytes(), meter.Options{Limits: limits})
			if (err != nil) != (c.refused != "") {
				t.Errorf("%d loops with %q, nested %v: %v", c.loops, c.inside, nested, err)
			}
		}
	}
}
