package meter_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/lambent-host/lambent/sandbox/internal/wasmtest"
	"github.com/lambent-host/lambent/sandbox/meter"
)

// program is a module with an exported function "run" of type i>l.
type program struct {
	name  string
	arg   uint64
	build func(m *wasmtest.Module)
}

func programs() []program {
	return []program{
		{"loop", 100_000, func(m *wasmtest.Module) {
			m.Func("run", "i>l", "l", `loop > local.get 1 i64.const 3 i64.mul i64.const 1 i64.add local.set 1
				local.get 0 i32.const 1 i32.sub local.tee 0 br_if 0 end local.get 1`)
		}},
		{"nested loops with a block parameter", 300, func(m *wasmtest.Module) {
			m.Func("run", "i>l", "il", `i64.const 7 loop l>l local.get 0 local.set 1
				loop l>l i64.const 5 i64.mul i64.const 9 i64.xor local.get 1 i32.const 1 i32.sub local.tee 1 br_if 0 end
				local.get 0 i32.const 1 i32.sub local.tee 0 br_if 0 end`)
		}},
		{"recursion", 20, func(m *wasmtest.Module) {
			m.Func("run", "i>l", "", `local.get 0 i32.const 2 i32.lt_s if >l i64.const 1 else
				local.get 0 i32.const 1 i32.sub call 0 local.get 0 i32.const 2 i32.sub call 0 i64.add end`)
		}},
		{"mutual recursion", 1500, func(m *wasmtest.Module) {
			m.Func("run", "i>l", "", `local.get 0 if >l local.get 0 i32.const 1 i32.sub call 1 i64.const 2 i64.add else i64.const 0 end`)
			m.Func("", "i>l", "", `local.get 0 if >l local.get 0 i32.const 1 i32.sub call 0 i64.const 3 i64.xor else i64.const 1 end`)
		}},
		{"indirect calls", 50_000, func(m *wasmtest.Module) {
			t := m.Type("l>l")
			m.Table('F', 2, 2)
			m.Func("run", "i>l", "l", fmt.Sprintf(`loop > local.get 1 local.get 0 i32.const 1 i32.and call_indirect %d 0 local.set 1
				local.get 0 i32.const 1 i32.sub local.tee 0 br_if 0 end local.get 1`, t))
			m.Elem(0, m.Func("", "l>l", "", "local.get 0 i64.const 3 i64.add"), m.Func("", "l>l", "", "local.get 0 i64.const 5 i64.mul"))
		}},
		{"tail calls", 200_000, func(m *wasmtest.Module) {
			m.Func("run", "i>l", "", "local.get 0 i64.const 0 return_call 1")
			m.Func("", "il>l", "", `local.get 0 i32.eqz if > local.get 1 return end
				local.get 0 i32.const 1 i32.sub local.get 1 i64.const 7 i64.add return_call 1`)
		}},
		{"call tree without a loop", 0, callTree(18)},
		{"br_table", 30_000, func(m *wasmtest.Module) {
			m.Func("run", "i>l", "l", `loop > block > block > block > local.get 0 i32.const 3 i32.rem_u br_table 0,1,2 end
				local.get 1 i64.const 3 i64.add local.set 1 end local.get 1 i64.const 5 i64.mul local.set 1 end
				local.get 0 i32.const 1 i32.sub local.tee 0 br_if 0 end local.get 1`)
		}},
		{"vectors", 10_000, func(m *wasmtest.Module) {
			m.Func("run", "i>l", "v", `loop > local.get 1 local.get 0 i64.extend_i32_u i64x2.splat i64x2.add local.set 1
				local.get 0 i32.const 1 i32.sub local.tee 0 br_if 0 end local.get 1 i64x2.extract_lane 1`)
		}},
		{"globals and functions by reference", 40, func(m *wasmtest.Module) {
			m.Table('F', 3, -1)
			m.Global('l', "i64.const 5")
			m.Global('F', "ref.func 1")
			m.Func("run", "i>l", "", fmt.Sprintf(`i32.const 2 global.get 1 table.set 0 i32.const 2 call_indirect %d 0
				global.get 0 i64.add global.set 0 global.get 0`, m.Type(">l")))
			m.Func("", ">l", "", "i64.const 37")
		}},
		{"memory grows to its maximum", 5, func(m *wasmtest.Module) {
			m.Memory(1, 3)
			m.Func("run", "i>l", "", `local.get 0 memory.grow i64.extend_i32_u i32.const 2 memory.grow i64.extend_i32_u i64.const 100 i64.mul i64.add`)
		}},
		{"bulk memory", 300_000, bulkMemory},
		{"start function", 0, func(m *wasmtest.Module) {
			m.Global('l', "i64.const 0")
			m.Func("run", "i>l", "", "global.get 0")
			m.Start(m.Func("", ">", "i", `loop > global.get 0 i64.const 3 i64.add global.set 0
				local.get 0 i32.const 1 i32.add local.tee 0 i32.const 1000 i32.ne br_if 0 end`))
		}},
	}
}

// callTree is f0 calling f1 twice, f1 calling f2 twice, ...: 2^depth calls and
// no loop.
func callTree(depth int) func(m *wasmtest.Module) {
	return func(m *wasmtest.Module) {
		for i := range depth {
			export, sig, arg := "", ">l", ""
			if i == 0 {
				export, sig = "run", "i>l"
			}
			m.Func(export, sig, "", fmt.Sprintf("%s call %d call %d i64.add", arg, i+1, i+1))
		}
		m.Func("", ">l", "", "i64.const 1")
	}
}

// bulkMemory fills, copies overlapping both ways and initialises more than a
// chunk, and sums up.
func bulkMemory(m *wasmtest.Module) {
	m.Memory(128, 128)
	content := make([]byte, 3_000_000)
	for i := range content {
		content[i] = byte(i * i >> 7)
	}
	m.Data(-1, content)
	m.Func("run", "i>l", "l", `i32.const 10 i32.const 5 i32.const 2900000 memory.init 0
		i32.const 3000000 i32.const 77 i32.const 4000001 memory.fill
		i32.const 1000 local.get 0 i32.const 2500001 memory.copy
		local.get 0 i32.const 1000 i32.const 5000003 memory.copy data.drop 0
		i32.const 8000000 local.set 0
		loop > local.get 1 i64.const 31 i64.mul local.get 0 i64.load 0 i64.add local.set 1
		local.get 0 i32.const 1 i32.sub local.tee 0 br_if 0 end local.get 1`)
}

func (p program) bytes() []byte {
	m := &wasmtest.Module{}
	p.build(m)
	return m.Bytes()
}

func TestMeteredProgramsComputeTheSame(t *testing.T) {
	for _, p := range programs() {
		t.Run(p.name, func(t *testing.T) {
			plain, metered := newHost(t, wazero.NewRuntimeConfigInterpreter()), newHost(t, wazero.NewRuntimeConfigCompiler())
			want, err := plain.mustInstantiate(p.bytes()).ExportedFunction("run").Call(context.Background(), p.arg)
			if err != nil {
				t.Fatal(err)
			}
			mod := metered.mustInstantiate(rewrite(t, p.bytes()))
			got, err := mod.ExportedFunction("run").Call(context.Background(), p.arg)
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("metered: %x, %v; plain: %x", got, err, want)
			}
			if metered.yields == 0 {
				t.Error("the host was never visited")
			}
		})
	}
}

func TestMeteredKernelsComputeTheSame(t *testing.T) {
	wasm := cKernels(t)
	for _, cfg := range []wazero.RuntimeConfig{wazero.NewRuntimeConfigInterpreter(), wazero.NewRuntimeConfigCompiler()} {
		h := newHost(t, cfg)
		plain, metered := h.mustInstantiate(wasm), h.mustInstantiate(rewrite(t, wasm))
		for _, name := range kernelNames {
			h.yields = 0
			for n := range uint64(3) {
				want, err := plain.ExportedFunction(name).Call(context.Background(), n)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := metered.ExportedFunction(name).Call(context.Background(), n); err != nil || !slices.Equal(got, want) {
					t.Errorf("%s(%d): metered: %x, %v; plain: %x", name, n, got, err, want)
				}
			}
			if h.yields < 10 {
				t.Errorf("%s: %d visits", name, h.yields)
			}
		}
	}
}

// Go's code jumps by tables, which jumps.go reads.
func TestMeteredGoComputesTheSame(t *testing.T) {
	wasm, err := kernels()
	if err != nil {
		t.Fatal(err)
	}
	h := newHost(t, wazero.NewRuntimeConfigCompiler())
	h.quantum = 100_000
	wasi_snapshot_preview1.MustInstantiate(t.Context(), h.rt)
	var mods []api.Module
	for _, wasm := range [][]byte{wasm, rewrite(t, wasm)} {
		mod, err := h.rt.InstantiateWithConfig(t.Context(), wasm, wazero.NewModuleConfig().WithName("").WithStartFunctions("_initialize"))
		if err != nil {
			t.Fatal(err)
		}
		mods = append(mods, mod)
	}
	for _, name := range kernelNames {
		want, err := mods[0].ExportedFunction(name).Call(t.Context(), 2)
		if err != nil {
			t.Fatal(err)
		}
		h.yields = 0
		if got, err := mods[1].ExportedFunction(name).Call(t.Context(), 2); err != nil || !slices.Equal(got, want) || h.yields == 0 {
			t.Errorf("%s: metered: %x, %v, %d visits; plain: %x", name, got, err, h.yields, want)
		}
	}
}

// endless are programs that never return.
func endless() []program {
	return []program{
		{"empty loop", 0, func(m *wasmtest.Module) { m.Func("run", "i>l", "", "loop > br 0 end unreachable") }},
		{"loop that is left and entered by br_table", 0, func(m *wasmtest.Module) {
			m.Func("run", "i>l", "", "loop > local.get 0 br_table 0,0 end unreachable")
		}},
		{"call tree without a loop", 0, callTree(60)},
		{"tail call", 0, func(m *wasmtest.Module) { m.Func("run", "i>l", "", "local.get 0 return_call 0") }},
		{"indirect tail call", 0, func(m *wasmtest.Module) {
			m.Table('F', 1, 1)
			f := m.Func("run", "i>l", "", "local.get 0 i32.const 0 return_call_indirect 0 0")
			m.Elem(0, f)
		}},
		{"memory.fill in a loop", 0, func(m *wasmtest.Module) {
			m.Memory(1600, 1600)
			m.Func("run", "i>l", "", "loop > i32.const 0 i32.const 1 i32.const 100000000 memory.fill br 0 end unreachable")
		}},
		{"start function", 0, func(m *wasmtest.Module) {
			m.Func("run", "i>l", "", "i64.const 0")
			m.Start(m.Func("", ">", "", "loop > br 0 end"))
		}},
		{"growing a table that is full", 0, func(m *wasmtest.Module) {
			m.Table('F', 0, -1)
			m.Func("run", "i>l", "", "loop > ref.null F i32.const 5000 table.grow 0 drop br 0 end unreachable")
		}},
		{"filling a table", 0, func(m *wasmtest.Module) {
			m.Table('F', 100000, 100000)
			m.Func("run", "i>l", "", "loop > i32.const 0 ref.null F i32.const 100000 table.fill 0 br 0 end unreachable")
		}},
		{"growing a memory that is full", 0, func(m *wasmtest.Module) {
			m.Memory(1, 1)
			m.Func("run", "i>l", "", "loop > i32.const 1 memory.grow drop br 0 end unreachable")
		}},
	}
}

func TestEndlessProgramsVisitTheHost(t *testing.T) {
	for _, p := range endless() {
		t.Run(p.name, func(t *testing.T) {
			h := newHost(t, wazero.NewRuntimeConfigCompiler())
			h.stopAt = 500
			mod, err := h.instantiate(rewrite(t, p.bytes()), "")
			if err == nil {
				_, err = mod.ExportedFunction("run").Call(context.Background(), 0)
			}
			if !errors.Is(err, errStopped) {
				t.Errorf("ended with %v", err)
			}
		})
	}
}

// A single instruction that works on a gigabyte visits the host at least once
// per chunk of a megabyte.
func TestBulkMemoryIsInterruptible(t *testing.T) {
	const pages = 1 << 14
	m := &wasmtest.Module{}
	m.Memory(pages, pages)
	m.Func("fill", ">", "", "i32.const 0 i32.const 1 i32.const 0x3fffffff memory.fill")
	m.Func("up", ">", "", "i32.const 0 i32.const 1 i32.const 0x3fffffff memory.copy")
	m.Func("down", ">", "", "i32.const 1 i32.const 0 i32.const 0x3fffffff memory.copy")
	wasm := rewrite(t, m.Bytes())
	for _, name := range []string{"fill", "up", "down"} {
		h := newHost(t, wazero.NewRuntimeConfigCompiler())
		h.stopAt = 20
		mod := h.mustInstantiate(wasm)
		if _, err := mod.ExportedFunction(name).Call(context.Background()); !errors.Is(err, errStopped) {
			t.Errorf("%s: %v", name, err)
		}
		touched := 0
		for page := range uint32(pages) {
			if b, _ := mod.Memory().ReadByte(page<<16 + 7); b != 0 {
				touched++
			}
		}
		if name == "fill" && (touched == 0 || touched > pages/10) {
			t.Errorf("fill: %d of %d pages were written before the 20th visit", touched, pages)
		}
	}
}

// Out of bounds, a bulk instruction traps before it has written anything.
func TestBulkMemoryOutOfBoundsWritesNothing(t *testing.T) {
	m := &wasmtest.Module{}
	m.Memory(64, 64)
	m.Data(-1, make([]byte, 3<<20))
	m.Func("fill", ">", "", "i32.const 100 i32.const 1 i32.const 4194300 memory.fill")
	m.Func("wrap", ">", "", "i32.const -1 i32.const 1 i32.const -1 memory.fill")
	m.Func("copyto", ">", "", "i32.const 2000000 i32.const 0 i32.const 3000000 memory.copy")
	m.Func("copyfrom", ">", "", "i32.const 0 i32.const 2000000 i32.const 3000000 memory.copy")
	m.Func("init", ">", "", "i32.const 2000000 i32.const 0 i32.const 3000000 memory.init 0")
	m.Func("initpast", ">", "", "i32.const 0 i32.const 200 i32.const 3145728 memory.init 0")
	h := newHost(t, wazero.NewRuntimeConfigCompiler())
	mod := h.mustInstantiate(rewrite(t, m.Bytes()))
	view, _ := mod.Memory().Read(0, 64<<16)
	for i := range view {
		view[i] = byte(i>>16) | 0x80
	}
	before := slices.Clone(view)
	for _, name := range []string{"fill", "wrap", "copyto", "copyfrom", "init", "initpast"} {
		_, err := mod.ExportedFunction(name).Call(context.Background())
		if err == nil || !strings.Contains(err.Error(), "out of bounds memory access") {
			t.Errorf("%s: %v", name, err)
		}
		if !slices.Equal(view, before) {
			t.Fatalf("%s wrote", name)
		}
	}
}

// The fuel taken is at least the cost of what ran, wherever regions are divided
// and whichever way the branches go.
func TestFuelCoversTheWork(t *testing.T) {
	work := func(n int) string { return strings.Repeat("local.get 1 i64.const 3 i64.add local.set 1 ", n) }
	const each, turns, unit = 250, 400, 2 // add and set
	for name, code := range map[string]string{
		"behind an arm not taken":     work(each) + "local.get 2 if > nop end " + work(each),
		"behind both arms":            work(each) + "local.get 2 if > nop else nop end " + work(each),
		"in the second arm":           "local.get 2 if > " + work(each) + "block > end nop else " + work(2*each) + "end",
		"behind a branch not taken":   "block > " + work(each) + "local.get 2 br_if 0 " + work(each) + "end",
		"behind a block that is left": "block > " + work(each) + "local.get 0 br_if 0 " + work(each) + "end " + work(each),
		"behind a loop":               work(each) + "loop > nop end " + work(each),
		"in a nested loop":            "loop > " + work(2*each) + "end",
	} {
		m := &wasmtest.Module{}
		m.Func("run", "i>", "li", "loop > "+code+" local.get 0 i32.const 1 i32.sub local.tee 0 br_if 0 end")
		h := newHost(t, wazero.NewRuntimeConfigCompiler())
		h.quantum = 100
		if _, err := h.mustInstantiate(rewrite(t, m.Bytes())).ExportedFunction("run").Call(context.Background(), turns); err != nil {
			t.Fatal(err)
		}
		// A quantum is at most overdrawn by what one check pays for, so that
		// every turn, which costs far more than a quantum, visits the host.
		if h.yields < turns {
			t.Errorf("%s: %d visits in %d turns", name, h.yields, turns)
		}
		h = newHost(t, wazero.NewRuntimeConfigCompiler())
		h.quantum = 1_000_000 * unit
		h.stopAt = 0
		long := uint64(100_000)
		if _, err := h.mustInstantiate(rewrite(t, m.Bytes())).ExportedFunction("run").Call(context.Background(), long); err != nil {
			t.Fatal(err)
		}
		if least := int(long) * 2 * each / 1_000_000; h.yields < least {
			t.Errorf("%s: %d visits, want at least %d", name, h.yields, least)
		}
	}
}

func TestRefusedGrowthIsReported(t *testing.T) {
	m := &wasmtest.Module{}
	m.Memory(1, 4)
	m.Func("run", "i>i", "", "local.get 0 memory.grow")
	h := newHost(t, wazero.NewRuntimeConfigCompiler())
	f := h.mustInstantiate(rewrite(t, m.Bytes())).ExportedFunction("run")
	for i, c := range []struct {
		pages, want uint64
		refused     int
	}{{3, 1, 0}, {0, 4, 0}, {1, 0xffffffff, 1}, {1 << 31, 0xffffffff, 2}} {
		got, err := f.Call(context.Background(), c.pages)
		if err != nil || got[0] != c.want || h.refused != c.refused {
			t.Errorf("%d: grow by %d: %x, %v, %d refusals", i, c.pages, got, err, h.refused)
		}
	}
}

func TestNamesAreKept(t *testing.T) {
	m := &wasmtest.Module{}
	m.Func("run", ">", "", "call 1")
	m.Func("", ">", "", "unreachable")
	h := newHost(t, wazero.NewRuntimeConfigCompiler())
	_, err := h.mustInstantiate(rewrite(t, m.Bytes())).ExportedFunction("run").Call(context.Background())
	if err == nil || !strings.Contains(err.Error(), ".f1_()\n\t.f0_run()") {
		t.Errorf("stack trace: %v", err)
	}
}

func TestRewriteIsDeterministicAndLeavesItsInput(t *testing.T) {
	for _, p := range programs() {
		in := p.bytes()
		kept := slices.Clone(in)
		a, report, err := meter.Rewrite(in, meter.Options{})
		if err != nil {
			t.Fatal(err)
		}
		b := rewrite(t, in)
		if !slices.Equal(a, b) || !slices.Equal(in, kept) {
			t.Errorf("%s: two runs differ, or the input was changed", p.name)
		}
		if report.Functions == 0 || report.Charges == 0 {
			t.Errorf("%s: %+v", p.name, report)
		}
	}
}
