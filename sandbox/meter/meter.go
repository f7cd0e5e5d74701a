// Package meter rewrites a WebAssembly module so that it counts its own work
// and lets the host in when a quantum of it is done. It is bytes in, bytes out:
// no state, no engine, no clock.
//
// # What is counted
//
// A mutable i64 global holds the fuel that is left. Each function entry and
// each loop header takes from it the static cost of the instructions that it
// leads to, and when the result is negative calls the added import
// lambent_meter.yield, which returns the fuel for the next quantum (or never
// returns). Long stretches between two such places are divided: inside them
// fuel is taken, without asking, where control flow meets or parts, so that
// what is charged stays near what is executed.
//
// Loops without calls keep the fuel in a local, which the compiler keeps in a
// register: it is loaded before the outermost block around them that has no call,
// and stored where that block is left (regions.go). Between the two nobody else
// reads the global: what does is a call, and what yield returns replaces it. After
// a trap the global holds what it held before the block.
//
// # Why no path runs longer
//
// Every instruction belongs to the last charge that dominates it, and is
// executed at most once per passage of that charge, because a loop's body always
// begins with a charge of its own. So the fuel taken is at least the cost of
// what ran. In the local or in the global, there is one count of fuel, and the
// checks stand at the same places.
//
// Between two checks a path crosses no loop header and no function entry. What is
// left are pieces of bodies without a backward branch, joined by returns. A body is
// at most [Limits.FunctionBytes] long. Behind a call that returned, a further check
// is made once 64 units have run, so that coming back from a deep recursion is
// checked too: what remains are 64 units for each frame, and frames are bounded by
// the engine's stack (returns.go).
//
// Single instructions whose time depends on
// their operands are led through routines added to the module: memory.fill,
// memory.copy and memory.init of long segments run in chunks of 1 MiB with a
// check after each, the table instructions pay per slot (tables are clamped to
// [Limits.TableSlots]), and a memory.grow that fails is reported to
// lambent_meter.refused.
//
// # What else changes
//
// A start function is not run by instantiation but exported as [ExportStart],
// so that instantiating runs no guest code. Mutable globals are exported, so that a
// guest can be copied, and a flag tells when that would not be enough (kept.go). Many small data segments become a few
// large ones where nothing can tell them apart (segments.go). Function names are
// kept for stack traces; all other custom sections (DWARF, producers, local names)
// are dropped.
//
// The input must be valid: the caller validates it first, because an invalid
// module (one that sets a global that does not exist) could become a valid one
// by what is added. What this package does not recognise it refuses.
//
// Read next: function.go, where a body is read and charged; then package
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
		if err := f.scan(b); err != nil {
			return refuse("code", "function %d: %s", i, err)
		}
		rw.report.Charges += len(f.charges)
		spare := uint32(len(rw.m.types[rw.m.functions[i]].params)) + b.locals
		scratch = appendU32(scratch[:0], b.groups+1)
		scratch = append(scratch, b.groupBytes...)
		scratch = append(scratch, 1, typeI64)
		scratch = f.emit(scratch, b, spare)
		rw.code = appendBytes(rw.code, scratch)
	}
	return nil
}
