package meter

import "fmt"

// splitAbove is the static cost from which a region is divided at the next
// place where control flow meets or parts. Dividing keeps what is charged close
// to what is executed where a function has many branches of which few are
// taken, as interpreters and Go's own code have.
const splitAbove = 200

// A charge is a place where fuel is taken. Each instruction belongs to the last
// charge that dominates it, so that it is paid for before each time it runs.
type charge struct {
	cost  int64
	check bool // also call the host when the fuel is used up
	block int  // it stands in
	calls int  // before it
}

// An edit replaces the code from one offset to another.
type edit struct {
	from, to int
	kind     editKind
	index    uint32 // of the charge, function or segment
}

type editKind uint8

const (
	editCharge  editKind = iota // insert the charge
	editCall                    // call, return_call, ref.func: the shifted index
	editRoutine                 // call a routine instead of the instruction
	editBefore                  // call a routine, then the instruction as it stands
	editSlot                    // nothing, until resolve finds that fuel moves here
	editLoad                    // the local takes the fuel
	editSpill                   // the global takes the fuel
	editTouch                   // set the flag, then the instruction as it stands
)

// function is the state of one body while it is read.
type function struct {
	rw      *rewriter
	r       reader
	edits   []edit
	charges []charge
	open    []int // the charge that was current where each open block began
	current int
	tree    []block // the body itself first
	inside  []int   // the open blocks in tree
	exits   []exit
	calls   int   // so far
	stale   int64 // see returns.go
	// integers is how many integer locals there are.
	integers uint32
	maximum  uint32 // of blocks
}

// scan reads the instructions of a body and notes what to change.
func (f *function) scan(b *body) error {
	f.r = reader{b: b.code}
	f.edits, f.charges, f.open = f.edits[:0], f.charges[:0], f.open[:0]
	f.tree, f.inside, f.exits = f.tree[:0], f.inside[:0], f.exits[:0]
	f.maximum = f.rw.m.limits.LocalsTimesBlocks / max(b.locals, 1)
	f.calls, f.stale = 0, paid
	f.enter(opBlock, 0)
	f.begin(true)
	f.open = append(f.open, f.current)
	for len(f.open) > 0 {
		f.repay()
		at := f.r.p
		op := f.r.byte()
		if err := f.instruction(op, at); err != nil {
			return err
		}
		if f.r.err != nil {
			return fmt.Errorf("the code %w", f.r.err)
		}
	}
	if f.r.left() != 0 {
		return fmt.Errorf("%d bytes follow the last end", f.r.left())
	}
	f.resolve()
	return nil
}

// begin starts a new region here.
func (f *function) begin(check bool) {
	f.current = len(f.charges)
	f.edits = append(f.edits, edit{from: f.r.p, to: f.r.p, kind: editCharge, index: uint32(f.current)})
	f.charges = append(f.charges, charge{check: check, block: f.inside[len(f.inside)-1], calls: f.calls})
	if check {
		f.stale = paid
	}
}

// divide starts a new region if the current one has become expensive. It may
// be called wherever the next instruction is dominated by the current charge.
func (f *function) divide() {
	if f.charges[f.current].cost > splitAbove {
		f.begin(false)
	}
}

func (f *function) instruction(op byte, at int) error {
	cost := costOf(op)
	f.charges[f.current].cost += cost
	if f.stale != paid {
		f.stale += cost
	}
	shape := immediates[op]
	switch op {
	case opCall, opReturnCall:
		f.leaves()
		f.returned(op, f.callee(at))
		return nil
	case opRefFunc:
		f.callee(at)
		return nil
	case opCallIndirect, opReturnCallIndirect:
		f.leaves()
		f.returned(op, true)
	case opUnreachable:
		f.stale = paid
	case opTableSet:
		f.touches(at)
	case opMemoryGrow:
		f.leaves()
		f.memoryZero()
		f.edits = append(f.edits, edit{at, f.r.p, editRoutine, f.rw.routine(routineGrow, 0)})
		return nil
	}
	if shape == immMisc {
		return f.misc(at)
	}
	switch op {
	case opBr, opBrIf, opBrTable, opReturn:
		return f.branch(op, at)
	}
	if !skipImmediates(&f.r, shape, f.rw.m.limits.BranchTargets) && f.r.err == nil {
		return fmt.Errorf("the instruction 0x%02x at offset %d is not enabled or beyond a limit", op, at)
	}
	return f.control(op, at)
}

// control keeps the stack of open blocks.
func (f *function) control(op byte, at int) error {
	switch op {
	case opBlock, opLoop, opIf:
		if uint32(len(f.open)) >= f.rw.m.limits.Nesting {
			return fmt.Errorf("blocks nest deeper than %d", f.rw.m.limits.Nesting)
		}
		if uint32(len(f.tree)) > f.maximum {
			return fmt.Errorf("locals times blocks are more than %d", f.rw.m.limits.LocalsTimesBlocks)
		}
		f.enter(op, at)
		f.open = append(f.open, f.current)
		if op == opLoop {
			f.begin(true)
			f.tree[len(f.tree)-1].charge = f.current
		} else if op == opIf {
			f.divide()
		}
	case opElse:
		f.current = f.open[len(f.open)-1]
		f.elseArm()
		f.divide()
	case opEnd:
		f.current = f.open[len(f.open)-1]
		f.open = f.open[:len(f.open)-1]
		f.meet()
		f.exit(at)
		if len(f.open) > 0 {
			f.divide()
		}
	}
	return nil
}

// callee shifts a function index past the imports that were added.
// It reports whether the function is one of the module's own.
func (f *function) callee(at int) bool {
	index := f.r.u32()
	if index >= f.rw.m.imported[kindFunc] {
		f.edits = append(f.edits, edit{at + 1, f.r.p, editCall, index + addedImports})
	}
	return index >= f.rw.m.imported[kindFunc]
}

// misc handles the 0xfc instructions. Those that work on a range are led
// through a routine that pays for the range's length.
func (f *function) misc(at int) error {
	op := f.r.u32()
	if op >= miscMemoryInit && op != miscDataDrop && op != miscElemDrop && op != miscTableSize {
		f.leaves()
	}
	switch op {
	case 0, 1, 2, 3, 4, 5, 6, 7: // saturating truncations
	case miscMemoryFill:
		f.memoryZero()
		f.edits = append(f.edits, edit{at, f.r.p, editRoutine, f.rw.routine(routineFill, 0)})
	case miscMemoryCopy:
		f.memoryZero()
		f.memoryZero()
		f.edits = append(f.edits, edit{at, f.r.p, editRoutine, f.rw.routine(routineCopy, 0)})
	case miscMemoryInit:
		segment := f.r.u32()
		f.rw.namesData = true
		f.memoryZero()
		f.memoryInit(segment, at)
	case miscTableInit, miscTableCopy:
		f.r.u32()
		f.r.u32()
		f.touches(at)
		f.edits = append(f.edits, edit{at, at, editBefore, f.rw.routine(routineSlots, 0)})
	case miscTableGrow, miscTableFill:
		f.r.u32()
		f.touches(at)
		f.edits = append(f.edits, edit{at, at, editBefore, f.rw.routine(routineSlots, 0)})
	case miscDataDrop:
		f.rw.namesData = true
		f.r.u32()
		f.touches(at)
	case miscElemDrop:
		f.r.u32()
		f.touches(at)
	case miscTableSize:
		f.r.u32()
	default:
		if f.r.err == nil {
			return fmt.Errorf("the instruction 0xfc %d at offset %d is not enabled", op, at)
		}
	}
	return nil
}

// memoryZero reads the index of a memory, of which there is only one.
func (f *function) memoryZero() {
	if f.r.byte() != 0 {
		f.r.fail(errMemoryIndex)
	}
}

// memoryInit splits the copying of a long segment; a short one is one step.
func (f *function) memoryInit(segment uint32, at int) {
	if int(segment) < len(f.rw.m.segments) && f.rw.m.segments[segment] > chunkBytes {
		f.edits = append(f.edits, edit{at, f.r.p, editRoutine, f.rw.routine(routineInit, segment)})
		return
	}
	f.edits = append(f.edits, edit{at, at, editBefore, f.rw.routine(routineBytes, 0)})
}

// emit writes the body with its edits. spare is the index of the i64 local that
// the charges use.
func (f *function) emit(out []byte, b *body, spare uint32) []byte {
	pos := 0
	for i := range f.edits {
		e := &f.edits[i]
		out = append(out, b.code[pos:e.from]...)
		pos = e.to
		switch e.kind {
		case editCharge:
			c := f.charges[e.index]
			if f.tree[c.block].region {
				out = f.rw.emitLocalCharge(out, c, spare)
			} else {
				out = f.rw.emitCharge(out, c, spare)
			}
		case editLoad:
			out = appendU32(append(out, opGlobalGet), f.rw.fuel)
			out = appendU32(append(out, opLocalSet), spare)
		case editSpill:
			out = appendU32(append(out, opLocalGet), spare)
			out = appendU32(append(out, opGlobalSet), f.rw.fuel)
		case editTouch:
			out = append(out, opI32Const, 1)
			out = appendU32(append(out, opGlobalSet), f.rw.touched)
		case editCall:
			out = appendU32(out, e.index)
		case editRoutine, editBefore:
			out = appendU32(append(out, opCall), e.index)
		}
	}
	return append(out, b.code[pos:]...)
}

// emitCharge takes the cost from the fuel and, at a checking charge, asks the
// host for more when none is left.
func (rw *rewriter) emitCharge(out []byte, c charge, spare uint32) []byte {
	if c.cost == 0 && !c.check {
		return out
	}
	cost := max(c.cost, 1)
	out = appendU32(append(out, opGlobalGet), rw.fuel)
	out = append(appendS64(append(out, opI64Const), cost), opI64Sub)
	if !c.check {
		return appendU32(append(out, opGlobalSet), rw.fuel)
	}
	out = appendU32(append(out, opLocalTee), spare)
	out = appendU32(append(out, opGlobalSet), rw.fuel)
	out = appendU32(append(out, opLocalGet), spare)
	out = append(out, opI64Const, 0, opI64LtS, opIf, blockEmpty)
	out = appendU32(append(out, opCall), rw.yield)
	out = appendU32(append(out, opGlobalSet), rw.fuel)
	return append(out, opEnd)
}
