package meter_test

import (
	"context"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/lambent-host/lambent/sandbox/internal/wasmtest"
)

const (
	down    = "local.get 0 i32.eqz if > call 0 return end "
	recurse = "local.get 0 i32.const 1 i32.sub call 1 "
)

// visitsOnTheWayBack runs a function that calls itself, as function 1, and calls
// function 0 at the bottom.
func visitsOnTheWayBack(t *testing.T, code string, depth uint64, quantum int64) int {
	t.Helper()
	m := &wasmtest.Module{}
	m.Import("test", "bottom", ">")
	if m.Type("i>") != 1 {
		t.Fatal("call_indirect names another type")
	}
	m.Table('F', 1, 1)
	f := m.Func("run", "i>", "li", code)
	m.Elem(0, f)
	m.Func("", ">", "", "")
	m.Func("", ">", "", "")
	h := newHost(t, wazero.NewRuntimeConfigCompiler())
	h.quantum = quantum
	before := 0
	if _, err := h.rt.NewHostModuleBuilder("test").NewFunctionBuilder().WithFunc(func() { before = h.yields }).
		Export("bottom").Instantiate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := h.mustInstantiate(rewrite(t, m.Bytes())).ExportedFunction("run").Call(context.Background(), depth); err != nil {
		t.Fatal(err)
	}
	return h.yields - before
}

// What a check takes covers what led to it: here nothing else is left to be paid.
func TestSmallWorkBehindACallIsPaid(t *testing.T) {
	code := recurse + "block > " + strings.Repeat("local.get 1 i64.const 3 i64.add local.set 1 ", 33) + "end"
	if visits := visitsOnTheWayBack(t, down+code, 20_000, 5000); visits < 20_000*60/5100 {
		t.Errorf("%d visits on the way back", visits)
	}
}

// A recursion does its work on the way back. However the work is placed behind
// the call, the host is visited as often there as on the way down.
func TestWorkBehindACallVisitsTheHost(t *testing.T) {
	work := func(n int) string { return strings.Repeat("local.get 1 i64.const 3 i64.add local.set 1 ", n) } // 2 units each
	const depth, units, quantum = 2000, 2000, 5000
	// Steps that skip by a branch what stands behind thirty units.
	skipping := strings.Repeat("block > "+work(30)+" i32.const 1 br_if 0 "+work(10)+"end ", units/60)
	tables := strings.Repeat("block > block > "+work(30)+" local.get 2 br_table 0,1 end "+work(10)+"end ", units/60)
	for name, code := range map[string]string{
		"straight":                recurse + work(units/2),
		"in a block":              recurse + "block > " + work(units/2) + "end",
		"behind its block":        "block > " + recurse + "end " + work(units/2),
		"behind blocks":           recurse + strings.Repeat("block > "+work(30)+"end ", units/60),
		"behind an arm":           "local.get 0 if > " + recurse + "end " + work(units/2),
		"behind an arm not taken": recurse + "local.get 2 if > nop end " + work(units/2),
		"in the arms":             recurse + "local.get 0 if > " + work(units/2) + "else " + work(units/2) + "end",
		"in the second arm":       recurse + strings.Repeat("local.get 2 if > "+work(10)+"else "+work(30)+"end ", units/60),
		"skipping":                recurse + skipping,
		"repaid at the end":       recurse + strings.Repeat("block > "+work(33)+"end ", units/60),
		"past a loop in an arm":   recurse + strings.Repeat("local.get 2 if > loop > nop end end "+work(30), units/60),
		"past a loop in a first":  recurse + strings.Repeat("local.get 2 if > loop > nop end else "+work(30)+"end ", units/60),
		"skipping by tables":      recurse + tables,
		"behind a check":          "block > " + recurse + work(40) + "end " + work(units/2),
		"behind a loop not run":   recurse + "local.get 2 if > loop > nop end end " + work(units/2),
		"behind an inner loop":    "block > " + recurse + "loop > nop end end " + work(units/2),
		"behind a leaf":           recurse + work(20) + "call 3 " + work(units/2),
		"behind an indirect call": "local.get 0 i32.const 1 i32.sub i32.const 0 call_indirect 1 0 " + work(units/2),
	} {
		t.Run(name, func(t *testing.T) {
			visits := visitsOnTheWayBack(t, down+code, depth, quantum)
			// A visit forgives at most what one check has overdrawn.
			if least := depth * units * 9 / 10 / (quantum + units); visits < least {
				t.Errorf("%d visits on the way back, want %d", visits, least)
			}
		})
	}
}

// What runs behind the last charge of a function is part of its first: little work
// behind a call needs no check of its own, but it is paid for.
func TestWhatRunsBehindTheLastChargeIsPaid(t *testing.T) {
	const calls, unit, quantum = 20_000, 2, 5000
	work := func(n int) string { return strings.Repeat("local.get 1 i64.const 3 i64.add local.set 1 ", n) }
	const again = "local.get 0 i32.const 1 i32.sub call 2 "
	for name, code := range map[string]string{
		"behind a call":            "local.get 0 i32.eqz if > return end " + again + work(25),
		"between calls":            "local.get 0 i32.eqz if > return end call 1 " + work(25) + again,
		"before one that is final": "local.get 0 i32.eqz if > unreachable end call 1 " + work(25) + again + "unreachable",
	} {
		m := &wasmtest.Module{}
		m.Func("", ">", "", "loop > i32.const 0 br_if 0 end")
		m.Func("", ">", "", "call 0")
		m.Func("run", "i>", "l", code)
		h := newHost(t, wazero.NewRuntimeConfigCompiler())
		h.quantum = quantum
		_, err := h.mustInstantiate(rewrite(t, m.Bytes())).ExportedFunction("run").Call(context.Background(), calls)
		if (err != nil) != strings.Contains(code, "unreachable") {
			t.Fatal(err)
		}
		if least := calls * 25 * unit / quantum; h.yields < least {
			t.Errorf("%s: %d visits, want %d", name, h.yields, least)
		}
	}
}
