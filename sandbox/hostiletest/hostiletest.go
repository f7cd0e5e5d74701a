// Package hostiletest is modules made to break a host, for tests of whatever takes
// modules from strangers: package publish tries them on a child process, package host
// over HTTP. Read next: package meter, limits.go, for the caps that most of them meet.
package hostiletest

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/lambent-host/lambent/sandbox/internal/wasmtest"
	"github.com/lambent-host/lambent/sandbox/meter"
)

// Module is one hostile module and what must become of it.
type Module struct {
	Name string
	Wasm []byte
	// Refused is part of the reason why it cannot be published; empty: it can.
	Refused string
	// Fault is part of the error of each invocation; empty: it answers.
	Fault string
}

// MemoryMB and GuestMB are limits that the modules are made for, as CPUTimeSeconds: what
// a child may take, and the memory of a function.
const (
	MemoryMB = 256
	GuestMB  = 128
)

func leb(n uint64) string { return string(binary.AppendUvarint(nil, n)) }

// command is a WASI command that does nothing, and what f adds.
func command(f func(m *wasmtest.Module)) []byte {
	m := &wasmtest.Module{}
	m.Func("_start", ">", "", "")
	f(m)
	return m.Bytes()
}

// bomb is a command with a function of the given body that is never called.
func bomb(body string) []byte {
	return command(func(m *wasmtest.Module) { m.Raw("bomb", ">", []byte(body)) })
}

// reactor is a Lambent function whose invocation runs code, and what f adds before.
func reactor(code string, f func(m *wasmtest.Module)) []byte {
	m := &wasmtest.Module{}
	m.Memory(1, -1)
	if f != nil {
		f(m)
	}
	m.Func("lambent_invoke", "i>i", "ii", code)
	return m.Bytes()
}

// SlowBomb takes minutes to compile, within the caps.
func SlowBomb() []byte { return wasmtest.SlowBomb() }

// Refused are modules that cannot be published.
func Refused() []Module {
	harmless := command(func(*wasmtest.Module) {})
	metered, _, err := meter.Rewrite(harmless, meter.Options{})
	if err != nil {
		panic(err) // of a constant
	}
	refused := func(name string, wasm []byte, reason string) Module {
		return Module{Name: name, Wasm: wasm, Refused: reason}
	}
	return []Module{
		refused("four-billion-locals", bomb("\x01"+leb(1<<32-1)+"\x7f\x0b"), "more than 50000 locals"),
		refused("hundred-thousand-locals", bomb("\x01"+leb(100_000)+"\x7f\x0b"), "more than 50000 locals"),
		refused("deep-nesting", bomb("\x00"+strings.Repeat("\x02\x40", 6000)+strings.Repeat("\x0b", 6001)), "nest deeper than 5000"),
		refused("giant-br_table", bomb("\x00\x41\x00\x0e"+leb(200_000)+strings.Repeat("\x00", 200_001)+"\x0b"), "targets, the limit is 65520"),
		refused("br_table-of-four-billion", bomb("\x00\x41\x00\x0e"+leb(1<<32-1)+"\x00\x0b"), "not valid"),
		refused("slow-to-compile", SlowBomb(), fmt.Sprintf("takes more than %ds of CPU time", CPUTimeSeconds)),
		refused("hungry-to-compile", wasmtest.HungryBomb(), hungry),
		refused("four-gigabytes", command(func(m *wasmtest.Module) { m.Memory(1<<16, -1) }), "needs 4294967296 bytes of memory from the start"),
		refused("more-than-memory-can-be", command(func(m *wasmtest.Module) { m.Memory(1<<17, -1) }), "memory"),
		refused("large-table", command(func(m *wasmtest.Module) { m.Table('F', 1<<27, -1) }), "slots at least, the limit is 1048576"),
		refused("many-large-tables", command(func(m *wasmtest.Module) {
			for range 3 {
				m.Table('E', 1<<19, -1)
			}
		}), "slots at least, the limit is 1048576"),
		refused("imports-the-meter", func() []byte {
			m := &wasmtest.Module{}
			m.Import(meter.ImportModule, meter.ImportYield, ">l")
			m.Func("_start", ">", "", "")
			return m.Bytes()
		}(), `module imports "lambent_meter"."yield"`),
		refused("exports-the-meters-start", command(func(m *wasmtest.Module) { m.Func(meter.ExportStart, ">", "", "") }), `module exports "lambent_meter.start"`),
		refused("metered-already", metered, `module imports "lambent_meter"`),
		refused("sets-the-fuel", command(func(m *wasmtest.Module) { m.Func("", ">", "", "i64.const 1 global.set 0") }), "not valid"),
	}
}

// Faulty are modules that can be published, and what becomes of their invocations.
// None holds for longer than the function's timeout.
func Faulty() []Module {
	traps := func(export, sig string) func(m *wasmtest.Module) {
		return func(m *wasmtest.Module) { m.Func(export, sig, "", "unreachable") }
	}
	table := func(m *wasmtest.Module) { m.Table('F', 1, -1) }
	return []Module{
		{Name: "fifty-thousand-functions", Wasm: reactor("i32.const 0", func(m *wasmtest.Module) {
			for range 50_000 {
				m.Func("", ">", "", "")
			}
		})},
		{Name: "table-bomb", Wasm: reactor("loop > ref.null F i32.const 100000 table.grow 0 i32.const -1 i32.ne br_if 0 end unreachable", table), Fault: "unreachable"},
		{Name: "table-grow-loop", Wasm: reactor("loop > ref.null F i32.const 100000 table.grow 0 drop br 0 end unreachable", table), Fault: "Task timed out"},
		{Name: "memory-bomb", Wasm: reactor("loop > i32.const 16 memory.grow i32.const -1 i32.ne br_if 0 end unreachable", nil), Fault: "128 MB"},
		{Name: "stack-exhaustion", Wasm: func() []byte {
			m := &wasmtest.Module{}
			m.Memory(1, -1)
			self := m.Func("", "i>i", "", "local.get 0 call 0 i32.const 1 i32.add")
			m.Func("lambent_invoke", "i>i", "", "i32.const 1 call "+string(rune('0'+self)))
			return m.Bytes()
		}(), Fault: "stack overflow"},
		{Name: "trap-in-start", Wasm: reactor("i32.const 0", func(m *wasmtest.Module) { m.Start(m.Func("", ">", "", "unreachable")) }), Fault: "unreachable"},
		{Name: "trap-in-_initialize", Wasm: reactor("i32.const 0", traps("_initialize", ">")), Fault: "unreachable"},
		{Name: "trap-in-lambent_init", Wasm: reactor("i32.const 0", traps("lambent_init", ">i")), Fault: "unreachable"},
		{Name: "trap-in-lambent_invoke", Wasm: reactor("unreachable", nil), Fault: "unreachable"},
		{Name: "trap-in-_start", Wasm: func() []byte {
			m := &wasmtest.Module{}
			m.Func("_start", ">", "", "unreachable")
			return m.Bytes()
		}(), Fault: "unreachable"},
		{Name: "loop-in-start", Wasm: reactor("i32.const 0", func(m *wasmtest.Module) { m.Start(m.Func("", ">", "", "loop > br 0 end")) }), Fault: "timed out"},
	}
}
