package meter_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/lambent-host/lambent/sandbox/internal/wasmtest"
)

// Loops without calls keep the fuel in a local. However they are entered and
// left, what their turns cost is missing from the fuel afterwards: no less and no
// more. Each function makes about twenty turns of eight units.
func TestFuelLeavesALoopAsItEntered(t *testing.T) {
	const count = `local.get 0 i32.const 3 i32.mul i32.const 7 i32.add i32.const 5 i32.xor drop
		local.get 1 i32.const 1 i32.add local.tee 1 i32.const 20 `
	const turn = count + "i32.lt_u br_if 0 "
	const other = "call 1 " // what it does is nothing
	for name, code := range map[string]string{
		"the body":                          "loop > " + turn + "end",
		"in a block":                        "block > loop > " + turn + "end end",
		"before a call":                     "loop > " + turn + "end " + other,
		"behind a call":                     other + "loop > " + turn + "end",
		"between calls":                     other + "block > nop loop > " + turn + "end end " + other,
		"two in a row":                      "loop > " + turn + "end i32.const 0 local.set 1 loop > " + turn + "end",
		"nested":                            "loop > loop > " + turn + "end local.get 1 i32.const 25 i32.lt_u br_if 0 end",
		"nested, calls outside":             other + "loop > loop > " + turn + "end local.get 1 i32.const 25 i32.lt_u br_if 0 end",
		"in a loop that calls":              "loop > loop > " + turn + "end " + other + "local.get 1 i32.const 25 i32.lt_u br_if 0 end",
		"return":                            "loop > " + count + "i32.eq if > return end br 0 end",
		"return, calls outside":             other + "loop > " + count + "i32.eq if > return end br 0 end",
		"br out of the function":            "block > loop > " + count + "i32.eq if > br 3 end br 0 end end",
		"br out of the function, calls":     other + "block > loop > " + count + "i32.eq if > br 3 end br 0 end end",
		"br_if out of the function":         "loop > " + count + "i32.eq br_if 1 br 0 end",
		"br_if out of the function, calls":  other + "loop > " + count + "i32.eq br_if 1 br 0 end",
		"br_if out of a block that calls":   "block > " + other + "loop > " + count + "i32.eq br_if 1 br 0 end end",
		"br_if out of two":                  "block > block > loop > " + count + "i32.eq br_if 2 br 0 end end " + other + "end",
		"br_table out of the function":      "block > loop > " + count + "i32.eq br_table 0,2 end end",
		"br_table out of a block":           "block > " + other + "block > loop > " + count + "i32.eq br_table 0,2 end end end",
		"br_table out by its default":       other + "loop > " + count + "i32.eq br_table 0,1 end",
		"br_table out by its middle":        other + "loop > " + count + "i32.eq br_table 0,1,0 end",
		"in an if":                          "i32.const 1 if > loop > " + turn + "end end " + other,
		"in an else":                        other + "i32.const 0 if > " + other + "else loop > " + turn + "end end",
		"unreachable behind":                "loop > " + count + "i32.lt_u br_if 0 return loop > br 0 end end",
		"results on the stack":              "i64.const 3 loop l>l i64.const 1 i64.add " + turn + "end drop",
		"results leave with the branch":     "block >l " + other + "loop > i64.const 5 " + count + "i32.eq br_if 1 drop br 0 end unreachable end drop",
		"indirect call":                     "loop > " + turn + "end i32.const 0 call_indirect 0 0",
		"tail call":                         "loop > " + turn + "end return_call 1",
		"tail call from a loop":             "loop > " + count + "i32.eq if > return_call 1 end br 0 end",
		"memory.grow in the loop":           "loop > i32.const 0 memory.grow drop " + turn + "end",
		"memory.fill in the loop":           "loop > i32.const 0 i32.const 0 i32.const 0 memory.fill " + turn + "end",
		"memory.init in the loop":           "loop > i32.const 0 i32.const 0 i32.const 0 memory.init 0 " + turn + "end",
		"table.fill in the loop":            "loop > i32.const 0 ref.null F i32.const 0 table.fill 0 " + turn + "end",
		"a reference to a function in loop": "loop > ref.func 1 drop " + turn + "end",
	} {
		t.Run(name, func(t *testing.T) {
			m := &wasmtest.Module{}
			m.Memory(1, 1)
			m.Data(-1, []byte("x"))
			m.Table('F', 1, 1)
			m.Func("run", ">", "ii", code)
			m.Elem(0, m.Func("", ">", "", ""))
			wasm := m.Bytes()
			if err := valid(wasm); err != nil {
				t.Fatalf("the test's module is not valid: %v", err)
			}
			metered := rewrite(t, wasm)
			if err := valid(metered); err != nil {
				t.Fatal(err)
			}
			h := newHost(t, wazero.NewRuntimeConfigCompiler())
			// A call costs about a quarter of a quantum. If fuel were lost on the way
			// out, the first calls would not visit the host; on the way in, every call.
			h.quantum = 600
			if strings.Contains(code, "grow") || strings.Contains(code, "ref.func") { // fifty units each
				h.quantum = 5000
			}
			f := h.mustInstantiate(metered).ExportedFunction("run")
			for range 20 {
				if _, err := f.Call(context.Background()); err != nil {
					t.Fatal(err)
				}
			}
			most := 15
			if calls := "loop > " + count + "i32.eq if > return_call"; strings.Contains(name, "in the loop") || strings.Contains(name, "that calls") || strings.Contains(code, calls) {
				most = 80 // such loops pay in each turn for what their function was handed
			}
			if h.yields < 4 || h.yields > most {
				t.Errorf("%d visits in 20 calls", h.yields)
			}
		})
	}
}

// A host that gives little at a time is asked in every turn, and nothing but
// time changes.
func TestAnyQuantumComputesTheSame(t *testing.T) {
	for _, p := range programs() {
		if p.name == "bulk memory" {
			continue // a million visits
		}
		arg := min(p.arg, 200)
		plain := newHost(t, wazero.NewRuntimeConfigInterpreter())
		want, err := plain.mustInstantiate(p.bytes()).ExportedFunction("run").Call(context.Background(), arg)
		if err != nil {
			t.Fatal(err)
		}
		for _, quantum := range []int64{0, 1, 7, 1 << 40} {
			h := newHost(t, wazero.NewRuntimeConfigCompiler())
			h.quantum = quantum
			got, err := h.mustInstantiate(rewrite(t, p.bytes())).ExportedFunction("run").Call(context.Background(), arg)
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%s, quantum %d: %x, %v; want %x", p.name, quantum, got, err, want)
			}
		}
	}
}
