// Package meter rewrites a WebAssembly module so that it counts its own work
// and lets the host in when a quantum of it is done. It is bytes in, bytes out:
// no state, no engine, no clock.
//
// # What is counted
//
// A mutable i64 global holds the fuel that is left. A charge takes from it the
// static cost of what has run since the last one; where it is also a check and the
// result is negative, it calls the added import lambent_meter.yield, which returns
// the fuel for the next quantum (or never returns).
//
// While a body is read, the most that can have run since the last charge, and since
// the last check, is known for each instruction, over all paths that lead to it
// (tally.go). So charges stand only where they must: on the way back to a loop's
// header (loops.go), before the first call on each path through a function, where a
// stretch without one becomes long, and where a function would leave too much to its
// caller. A short function without loops that calls no other is paid for by who
// calls it (outline.go); an early return costs nothing.
//
// Loops without such calls keep the fuel in a local, which the compiler keeps in a
// register: it is loaded before them and stored where they are left (regions.go).
// Between the two nobody else reads the global: what does is a call, and what yield
// returns replaces it. After a trap the global holds what it held before.
//
// # Why no path runs longer
//
// Call a function loud if it is not one that its callers pay for. First, fuel covers
// work. A charge takes the most that any path has run since the charge before it in
// the same activation, or since its entry. What an activation may leave unpaid
// behind its last charge, where it returns or makes a loud call that may never
// return, is part of its first, and an activation with a loud call has one before
// that. One that returns without a charge has run at most passing units (called
// through a table: silentCost), which its caller adds to its own. So what is taken is
// never less than what ran, but for those units of a call by the host.
//
// Second, checks are near. Look at a piece of a run without one. It goes around no
// loop: each way round has a check, on the way back or at the header. It enters no
// loud function from another that it has entered itself, because on each path from a
// function's entry to such a call there is a check: this cuts every recursion,
// through tables and tail calls too, as long as the host's functions do not call the
// guest. So it is: the rest of the frame it begins in; returns to frames below, in
// each of which it runs at most leaving units before that returns too; and in the
// last of these, or in one more function that it enters from there, at most stretch
// units, callees that their callers pay for and those that return without a charge
// included, before there is a check. With F frames on the stack, which the engine
// bounds, that is leaving x F + 2 x stretch and the cost of a call.
//
// A quantum may be overdrawn by what one charge takes: at most stretch units, handed
// or leaving ones, and one call's.
//
// Single instructions whose time depends on their operands are led
// through routines added to the module: memory.fill, memory.copy and memory.init of
// long segments run in chunks of 1 MiB with a check after each, the table
// instructions pay per slot (tables are clamped to [Limits.TableSlots]), and a
// memory.grow that fails is reported to lambent_meter.refused.
//
// # What else changes
//
// A start function is not run by instantiation but exported as [ExportStart],
// so that instantiating runs no guest code. Mutable globals are exported, so that a
// guest can be copied, and a flag tells when that would not be enough (kept.go). Many small data segments become a few
// large ones where nothing can tell them apart (segments.go). Function names are
// kept for stack traces; all other custom sections (DWARF, producers, local names)
// are dropped. A jump of Go's that goes back to a table only to be led ahead leads
// ahead at once (jumps.go).
//
// The input must be valid: the caller validates it first, because an invalid
// module (one that sets a global that does not exist) could become a valid one
// by what is added. What this package does not recognise it refuses.
//
// Read next: function.go, where a body is read; tally.go and loops.go, where it is
// charged; emit.go; then package
// sandbox, which answers the imports.
package meter

import "strings"

// ImportModule is the module of the two imports that rewriting adds. A module
// that imports from it itself is refused, and so is one that exports a name
// beginning with it.
const ImportModule = "lambent_meter"

const (
	// ImportYield is yield() -> i64, called when the fuel is used up; it returns
	// the fuel for the next quantum.
	ImportYield = "yield"
	// ImportRefused is refused(pages i32), called when memory.grow has failed.
	ImportRefused = "refused"
	// ExportStart is the export under which the start function, if there is
	// one, is found afterwards.
	ExportStart = ImportModule + ".start"
)

// addedImports is how many function imports are added.
const addedImports = 2

// Options steer [Rewrite]. The zero value is useful.
type Options struct {
	// Limits bound what the module may declare; zero fields are defaults.
	Limits Limits
}

// Report tells what [Rewrite] did.
type Report struct {
	// Functions and Charges count the bodies and the places where fuel is taken.
	Functions, Charges int
	// Routines counts the functions that were added.
	Routines int
	// Merged is by how many there are fewer data segments than before.
	Merged int
	// HasStart tells that [ExportStart] was added.
	HasStart bool
}

func isReserved(name string) bool {
	return name == ImportModule || strings.HasPrefix(name, ImportModule+".")
}

// Rewrite returns the metered form of a valid module. Errors are *Error. The
// result does not share memory with the input. It is deterministic, safe for
// concurrent use, and takes time and memory in proportion to the input.
func Rewrite(wasm []byte, opts Options) ([]byte, Report, error) {
	m, err := parse(wasm, opts.Limits)
	if err != nil {
		return nil, Report{}, err
	}
	functions := m.imported[kindFunc] + addedImports + uint32(len(m.functions))
	rw := &rewriter{
		m:            m,
		fuel:         m.imported[kindGlobal] + m.globals,
		touched:      m.imported[kindGlobal] + m.globals + 1,
		yield:        m.imported[kindFunc],
		refused:      m.imported[kindFunc] + 1,
		firstRoutine: functions,
		routineIndex: map[routineKey]uint32{},
	}
	rw.outlineAll()
	if err := rw.rewriteBodies(); err != nil {
		return nil, Report{}, err
	}
	out, err := rw.assemble(len(wasm))
	if err != nil {
		return nil, Report{}, err
	}
	rw.report.Functions = len(m.functions)
	rw.report.Routines = len(rw.routines)
	rw.report.HasStart = m.present[secStart]
	return out, rw.report, nil
}

// rewriter holds the indices of what is added, and the new code.
type rewriter struct {
	m              *module
	fuel, touched  uint32 // globals
	yield, refused uint32 // functions
	firstRoutine   uint32
	routines       []routineKey
	routineIndex   map[routineKey]uint32
	outlines       outlines
	namesData      bool   // an instruction names a data segment
	code           []byte // bodies with their sizes
	report         Report
}

// rewriteBodies reads and charges each function.
func (rw *rewriter) rewriteBodies() error {
	f := &function{rw: rw}
	var scratch []byte
	for i := range rw.m.bodies {
		b := &rw.m.bodies[i]
		f.integers = countIntegers(rw.m.types[rw.m.functions[i]].params, b)
		if err := f.scan(i); err != nil {
			return refuse("code", "function %d: %s", i, err)
		}
		rw.report.Charges += len(f.charges)
		spare := uint32(len(rw.m.types[rw.m.functions[i]].params)) + b.locals
		if f.moves {
			scratch = appendU32(scratch[:0], b.groups+1)
			scratch = append(append(scratch, b.groupBytes...), 1, typeI64)
		} else {
			scratch = append(appendU32(scratch[:0], b.groups), b.groupBytes...)
		}
		scratch = f.emit(scratch, b, spare)
		rw.code = appendBytes(rw.code, scratch)
	}
	return nil
}
