package meter_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/lambent-host/lambent/sandbox/internal/wasmtest"
	"github.com/lambent-host/lambent/sandbox/meter"
)

// gapHost measures, in units of cost that were executed, how far visits are apart.
type gapHost struct {
	rt       wazero.Runtime
	quantum  int64
	executed api.Global
	last     uint64
	largest  uint64
	visits   int
	stopAt   int
}

func newGapHost(t testing.TB, cfg wazero.RuntimeConfig, quantum int64) *gapHost {
	t.Helper()
	ctx := context.Background()
	h := &gapHost{quantum: quantum, rt: wazero.NewRuntimeWithConfig(ctx, cfg.WithCoreFeatures(features))}
	t.Cleanup(func() { _ = h.rt.Close(ctx) })
	_, err := h.rt.NewHostModuleBuilder(meter.ImportModule).NewFunctionBuilder().WithFunc(func() int64 {
		h.look()
		if h.visits++; h.visits == h.stopAt {
			panic(errStopped)
		}
		return h.quantum
	}).Export(meter.ImportYield).NewFunctionBuilder().WithFunc(func(uint32) {}).Export(meter.ImportRefused).Instantiate(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *gapHost) look() {
	now := h.executed.Get()
	h.largest = max(h.largest, now-h.last)
	h.last = now
}

// run runs a module's "run" and its start function.
func (h *gapHost) run(t testing.TB, wasm []byte, arg uint64) (results []uint64, err error) {
	t.Helper()
	counted := meter.Counted(wasm, rewrite(t, wasm))
	mod, err := h.rt.InstantiateWithConfig(context.Background(), counted, wazero.NewModuleConfig().WithName(""))
	if err != nil {
		t.Fatal(err)
	}
	defer mod.Close(context.Background())
	h.executed = mod.ExportedGlobal(meter.ExportExecuted)
	if start := mod.ExportedFunction(meter.ExportStart); start != nil {
		if _, err := start.Call(context.Background()); err != nil {
			return nil, err
		}
	}
	results, err = mod.ExportedFunction("run").Call(context.Background(), arg)
	h.look()
	return results, err
}

// slack is what may run beyond the quantum with so many frames on the stack: the
// proof's bound, and what a quantum may be overdrawn by. The count has the meter's
// own instructions in it, which in the smallest loops are three times the rest.
func slack(quantum int64, frames int) uint64 {
	return 4 * uint64(quantum+int64(3*meter.Stretch+2*meter.Handed+2*meter.Leaving+meter.Silent+frames*meter.Leaving))
}

func checkGap(t *testing.T, h *gapHost, frames int) {
	t.Helper()
	if most := slack(h.quantum, frames); h.largest > most {
		t.Errorf("%d units between two of %d visits, at most %d are allowed", h.largest, h.visits, most)
	}
}

// adversaries are programs that would run long between two checks if one of the
// places for them were left out; the number of frames is that of the deepest.
func adversaries() map[string]struct {
	arg    uint64
	frames int
	build  func(m *wasmtest.Module)
} {
	type adversary = struct {
		arg    uint64
		frames int
		build  func(m *wasmtest.Module)
	}
	work := func(n int) string { return strings.Repeat("local.get 1 i64.const 3 i64.add local.set 1 ", n) } // 2 units each
	countdown := "local.get 0 i32.const 1 i32.sub local.tee 0 "
	manyWays := ""
	for i := range 20 {
		manyWays += fmt.Sprintf("local.get 0 i32.const 21 i32.rem_u i32.const %d i32.eq br_if 0 ", i)
	}
	one := func(sig, locals, code string) func(m *wasmtest.Module) {
		return func(m *wasmtest.Module) {
			m.Memory(1, 1)
			m.Table('F', 1, 1)
			m.Elem(0, m.Func("run", sig, locals, code))
		}
	}
	return map[string]adversary{
		"long straight code":     {0, 1, one("i>l", "l", work(50_000)+"local.get 1")},
		"long arms":              {0, 1, one("i>l", "l", "local.get 0 if > "+work(50_000)+" else "+work(50_000)+" end local.get 1")},
		"many loops not run":     {0, 1, one("i>l", "l", strings.Repeat("local.get 0 if > loop > local.get 0 br_if 0 end end "+work(20), 2000)+"local.get 1")},
		"many loops run once":    {0, 1, one("i>l", "l", strings.Repeat("loop > "+work(20)+"local.get 0 br_if 0 end ", 2000)+"local.get 1")},
		"loop":                   {20_000, 1, one("i>l", "l", "loop > "+countdown+"br_if 0 end local.get 1")},
		"loop by a table":        {20_000, 1, one("i>l", "l", "block > loop > "+countdown+"i32.eqz br_table 0,1 end end local.get 1")},
		"loop with a parameter":  {20_000, 1, one("i>l", "l", "i64.const 1 loop l>l i64.const 3 i64.add "+countdown+"br_if 0 end")},
		"loop with many ways":    {20_000, 1, one("i>l", "l", "loop > "+countdown+"i32.eqz if > i64.const 1 return end "+manyWays+"br 0 end unreachable")},
		"recursion":              {3000, 3000, one("i>l", "l", "local.get 0 i32.eqz if > i64.const 1 return end "+work(10)+"local.get 0 i32.const 1 i32.sub call 0 local.get 1 i64.add")},
		"recursion behind loops": {3000, 3000, one("i>l", "l", "local.get 0 i32.eqz if > i64.const 1 return end loop > i32.const 0 br_if 0 end local.get 0 i32.const 1 i32.sub call 0")},
		"recursion by a table":   {3000, 3000, one("i>l", "l", "local.get 0 i32.eqz if > i64.const 1 return end local.get 0 i32.const 1 i32.sub i32.const 0 call_indirect 0 0")},
		"tail recursion":         {20_000, 1, one("i>l", "l", "local.get 0 i32.eqz if > i64.const 1 return end local.get 0 i32.const 1 i32.sub return_call 0")},
		"tail by a table":        {20_000, 1, one("i>l", "l", "local.get 0 i32.eqz if > i64.const 1 return end local.get 0 i32.const 1 i32.sub i32.const 0 return_call_indirect 0 0")},
		"work on the way back":   {3000, 3000, one("i>l", "l", "local.get 0 i32.eqz if > i64.const 1 return end local.get 0 i32.const 1 i32.sub call 0 "+work(200)+"local.get 1 i64.add")},
		"tree of calls":          {0, 16, callTree(16)},
		"tree of short functions": {0, 12, func(m *wasmtest.Module) {
			m.Func("run", "i>l", "l", strings.Repeat("call 1 local.set 1 ", 500)+"local.get 1")
			for i := range 6 {
				m.Func("", ">l", "", strings.Repeat(fmt.Sprintf("call %d drop ", i+2), 4)+"i64.const 1")
			}
			m.Func("", ">l", "", "i64.const 1")
		}},
		"mutual recursion": {3000, 3000, func(m *wasmtest.Module) {
			m.Func("run", "i>l", "", "local.get 0 i32.eqz if > i64.const 1 return end local.get 0 i32.const 1 i32.sub call 1")
			m.Func("", "i>l", "", "local.get 0 i32.eqz if > i64.const 2 return end local.get 0 i32.const 1 i32.sub call 0")
		}},
		"start function": {0, 1, func(m *wasmtest.Module) {
			m.Func("run", "i>l", "", "i64.const 0")
			m.Start(m.Func("", ">", "i", "loop > local.get 0 i32.const 1 i32.add local.tee 0 i32.const 20000 i32.ne br_if 0 end"))
		}},
	}
}

// What is executed between two visits stays within the bound of the proof in the
// package comment.
func TestLargestGapBetweenVisits(t *testing.T) {
	for name, a := range adversaries() {
		t.Run(name, func(t *testing.T) {
			m := &wasmtest.Module{}
			a.build(m)
			h := newGapHost(t, wazero.NewRuntimeConfigCompiler(), 1000)
			if _, err := h.run(t, m.Bytes(), a.arg); err != nil {
				t.Fatal(err)
			}
			if h.visits == 0 {
				t.Error("the host was never visited")
			}
			checkGap(t, h, a.frames)
			t.Logf("%d visits, at most %d units apart", h.visits, h.largest)
		})
	}
}

func TestLargestGapOfEndlessPrograms(t *testing.T) {
	for _, p := range endless() {
		if strings.Contains(p.name, "filling") || strings.Contains(p.name, "fill in") {
			continue // its work is not in instructions
		}
		t.Run(p.name, func(t *testing.T) {
			h := newGapHost(t, wazero.NewRuntimeConfigCompiler(), 1000)
			h.stopAt = 500
			if _, err := h.run(t, p.bytes(), 0); !errors.Is(err, errStopped) {
				t.Errorf("ended with %v", err)
			}
			checkGap(t, h, 60)
		})
	}
}

// checkGenerated holds that a program computes the same metered, whatever the
// quantum, and that visits are near.
func checkGenerated(t *testing.T, cfg wazero.RuntimeConfig, seed []byte, quanta ...int64) {
	t.Helper()
	wasm := generate(seed)
	plain := newHost(t, wazero.NewRuntimeConfigInterpreter())
	mod, err := plain.instantiate(wasm, "")
	if err != nil {
		t.Fatalf("the generated module is not valid: %v", err)
	}
	want, err := mod.ExportedFunction("run").Call(context.Background(), depth)
	if err != nil {
		t.Fatal(err)
	}
	for _, quantum := range quanta {
		h := newGapHost(t, cfg, quantum)
		got, err := h.run(t, wasm, depth)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("quantum %d: %x, %v; want %x", quantum, got, err, want)
		}
		checkGap(t, h, depth)
	}
}

func TestGeneratedProgramsComputeTheSame(t *testing.T) {
	n := 300
	if testing.Short() {
		n = 50
	}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		seed := make([]byte, 400)
		for k := range seed {
			seed[k] = byte(random.Uint32())
		}
		checkGenerated(t, wazero.NewRuntimeConfigCompiler(), seed, 1, 700)
		if t.Failed() {
			t.Fatalf("seed %d: %x", i, seed)
		}
	}
}

// FuzzGenerated is the same for seeds that the fuzzer finds, in the interpreter,
// which is quick to begin.
func FuzzGenerated(f *testing.F) {
	f.Add([]byte("0123456789abcdef0123456789abcdef"))
	f.Fuzz(func(t *testing.T, seed []byte) {
		checkGenerated(t, wazero.NewRuntimeConfigInterpreter(), seed[:min(len(seed), 300)], 300)
	})
}
