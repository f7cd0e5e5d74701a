package meter

import "fmt"

// function is the state of one body while it is read.
type function struct {
	rw      *rewriter
	r       reader
	edits   []edit
	charges []charge
	tree    []block // the body itself first
	inside  []int   // the open blocks in tree
	exits   []leave
	labels  []uint32 // of the br_table that is read
	moved   []uint32 // labels of all br_tables that change
	loops   int      // the next in outlines.loops
	known   knownLocal
	now     tally
	left    int64 // the most that returns and calls leave unpaid, see tally.go
	through int64 // the most that was done where there was no charge
	self    uint32
	itself  bool // it calls itself
	moves   bool // the fuel moves into a local somewhere
	// integers is how many integer locals there are.
	integers uint32
	added    uint32 // blocks, so far
	maximum  uint32 // of blocks, with those
}

// scan reads the instructions of a body and notes what to change. A function that
// calls itself is read twice, if what it does without a charge is less than was
// thought.
func (f *function) scan(index int) error {
	o := &f.rw.outlines.functions[index]
	if err := f.scanOnce(index); err != nil {
		return err
	}
	again := f.itself && f.through < o.through
	o.through = max(f.through, 0)
	if again {
		return f.scanOnce(index)
	}
	return nil
}

func (f *function) scanOnce(index int) error {
	b, o := &f.rw.m.bodies[index], &f.rw.outlines.functions[index]
	f.r = reader{b: b.code}
	f.edits, f.charges, f.moved = f.edits[:0], f.charges[:0], f.moved[:0]
	f.tree, f.inside, f.exits = f.tree[:0], f.inside[:0], f.exits[:0]
	f.maximum = f.rw.m.limits.LocalsTimesBlocks / max(b.locals, 1)
	f.loops, f.left, f.through = o.loops, 0, never
	f.known, f.added = knownLocal{end: -1}, 0
	f.self, f.itself = uint32(index), false
	f.now = tally{0, never, 0, never}
	if o.state == silent {
		f.now = nowhere // who calls it pays
	}
	f.enter(opBlock, 0)
	for len(f.inside) > 0 {
		at := f.r.p
		f.pause(at)
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
	f.settleLeft()
	f.resolve()
	return nil
}

func (f *function) instruction(op byte, at int) error {
	f.now.add(costOf(op))
	shape := immediates[op]
	switch op {
	case opCall, opReturnCall:
		return f.call(op, at)
	case opRefFunc:
		f.callee(at)
		return nil
	case opI32Const:
		value := f.r.s32()
		f.known.constant(value, f.r.p)
		return nil
	case opLocalSet:
		local := f.r.u32()
		f.known.set(local, at, f.r.p)
		return nil
	case opCallIndirect, opReturnCallIndirect:
		f.calls(at)
		f.called(op, at, silentCost)
	case opTableSet:
		f.touches(at)
	case opMemoryGrow:
		f.leaves()
		f.memoryZero()
		f.edits = append(f.edits, edit{from: at, to: f.r.p, kind: editRoutine, index: f.rw.routine(routineGrow, 0)})
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
	case opUnreachable:
		f.now = nowhere
	case opBlock, opLoop, opIf:
		if uint32(len(f.inside))+f.tree[f.inside[len(f.inside)-1]].added > f.rw.m.limits.Nesting {
			return fmt.Errorf("blocks nest deeper than %d", f.rw.m.limits.Nesting)
		}
		if uint32(len(f.tree))+f.added > f.maximum {
			return fmt.Errorf("locals times blocks are more than %d", f.rw.m.limits.LocalsTimesBlocks)
		}
		f.enter(op, at)
		if op == opLoop {
			f.loop(at)
		}
	case opElse:
		f.elseArm()
	case opEnd:
		f.close(at)
	}
	return nil
}

// call is a call of a function by its index.
func (f *function) call(op byte, at int) error {
	index, own := f.callee(f.r.p - 1)
	if own && int(index) >= len(f.rw.outlines.functions) {
		return fmt.Errorf("calls function %d, which is not there", f.rw.m.imported[kindFunc]+index)
	}
	switch {
	case !own && op == opCall:
	case !own:
		f.called(op, at, 0)
	case op == opCall && f.rw.outlines.functions[index].state == silent:
		f.now.add(f.rw.outlines.functions[index].cost)
	default:
		// What is paid before the call stands before its index.
		edited := f.edits[len(f.edits)-1]
		f.edits = f.edits[:len(f.edits)-1]
		f.calls(at)
		f.itself = f.itself || index == f.self
		f.called(op, at, f.rw.outlines.functions[index].through)
		f.edits = append(f.edits, edited)
	}
	return nil
}

// called notes what a call leaves to be paid; a tail call is a return as well.
func (f *function) called(op byte, at int, cost int64) {
	f.now.add(cost)
	if op != opReturnCall && op != opReturnCallIndirect {
		return
	}
	f.returns(at)
	f.exit(op, at, len(f.inside)-1)
	f.now = nowhere
}

// callee shifts a function index past the imports that were added.
// It reports whether the function is one of the module's own, and its index among
// those.
func (f *function) callee(at int) (index uint32, own bool) {
	index = f.r.u32()
	if index < f.rw.m.imported[kindFunc] {
		return index, false
	}
	f.edits = append(f.edits, edit{from: at + 1, to: f.r.p, kind: editCall, index: index + addedImports})
	return index - f.rw.m.imported[kindFunc], true
}

// misc handles the 0xfc instructions. Those that work on a range are led
// through a routine that pays for the range's length.
func (f *function) misc(at int) error {
	op := f.r.u32()
	if op >= miscMemoryInit && op != miscDataDrop && op != miscElemDrop && op != miscTableSize {
		f.leaves()
	}
	instead := func(kind routineKind, arg uint32) {
		f.edits = append(f.edits, edit{from: at, to: f.r.p, kind: editRoutine, index: f.rw.routine(kind, arg)})
	}
	before := func(kind routineKind) {
		f.edits = append(f.edits, edit{from: at, to: at, kind: editBefore, index: f.rw.routine(kind, 0)})
	}
	switch op {
	case 0, 1, 2, 3, 4, 5, 6, 7: // saturating truncations
	case miscMemoryFill:
		f.memoryZero()
		instead(routineFill, 0)
	case miscMemoryCopy:
		f.memoryZero()
		f.memoryZero()
		instead(routineCopy, 0)
	case miscMemoryInit:
		segment := f.r.u32()
		f.rw.namesData = true
		f.memoryZero()
		// The copying of a long segment is split; a short one is one step.
		if int(segment) < len(f.rw.m.segments) && f.rw.m.segments[segment] > chunkBytes {
			instead(routineInit, segment)
		} else {
			before(routineBytes)
		}
	case miscTableInit, miscTableCopy:
		f.r.u32()
		f.r.u32()
		f.touches(at)
		before(routineSlots)
	case miscTableGrow, miscTableFill:
		f.r.u32()
		f.touches(at)
		before(routineSlots)
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
