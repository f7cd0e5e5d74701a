package meter

import (
	"errors"
	"fmt"
)

// A loop is charged in one of two ways.
//
// Where few branches lead back to it, each of them charges and checks: the way
// round pays for the turn that it ends. When no fuel is left it goes to a place
// behind the body that asks the host and then goes on to the header. So nothing
// in the loop lives across a call that hardly ever happens, and the compiler
// keeps in registers what it would keep without:
//
//	block                   the way out
//	  loop
//	    block               no fuel
//	      ...               fuel -= cost; if fuel < 0 br to no fuel; br to the loop
//	      br to the way out
//	    end
//	    fuel = yield()
//	    br to the loop
//	  end
//	end
//
// Where many lead back (all of Go's functions are one loop around a jump table),
// a br_table does, or the loop takes parameters, the header charges and checks
// for all. A way back with more to pay than the header takes pays it itself.

// addedLabels is how many blocks are put around the body of a loop of the first
// kind, addedWithin how many of them are inside of the loop.
const (
	addedLabels = 2
	addedWithin = 1
)

// errOutline is a loop that is gone around otherwise than its outline says, which
// would be a mistake in this package: it must not become one in the output.
var errOutline = errors.New("a branch leads back to a loop that was read as another kind")

// loop begins a loop that has been entered; its instruction ends where the
// reader is.
func (f *function) loop(at int) {
	b := &f.tree[f.inside[len(f.inside)-1]]
	shape := loopShape{table: true}
	if f.loops < len(f.rw.outlines.loops) { // a body that is not valid has more
		shape = f.rw.outlines.loops[f.loops]
	}
	f.loops++
	b.jumps = shape.jumps
	b.header = shape.table || shape.turns > turnsOwn || f.takesParameters(at+1)
	if f.now.reached() && !shape.calls && shape.turns <= turnsOwn && (f.now.through >= 0 || f.now.paid > carried) {
		index := f.charge(false, f.inside[len(f.inside)-1])
		f.edits = append(f.edits, edit{from: at, to: at, kind: editCharge, index: index})
	}
	if b.header {
		b.charge = f.charge(true, f.inside[len(f.inside)-1])
		f.edits = append(f.edits, edit{from: f.r.p, to: f.r.p, kind: editCharge, index: b.charge})
		return
	}
	if shape.turns > 0 {
		b.around = true
		b.added += addedLabels
		f.added += addedLabels
		f.edits = append(f.edits, edit{from: at, to: f.r.p, kind: editLoop})
	}
}

// takesParameters tells whether the block type at an offset may have some.
func (f *function) takesParameters(at int) bool {
	c := f.r.b[at]
	return c != blockEmpty && !isValueType(c)
}

// label is the depth by which a branch from here reaches a block, which is
// depth blocks out, when all has been added.
func (f *function) label(depth uint32, target *block) uint32 {
	depth += f.tree[f.inside[len(f.inside)-1]].added - target.added
	if target.around {
		depth += addedWithin
	}
	return depth
}

// branch notes where a branch or return leads.
func (f *function) branch(op byte, at int) error {
	switch op {
	case opReturn:
		f.returns(at)
		f.exit(op, at, len(f.inside)-1)
	case opBr, opBrIf:
		depth := f.r.u32()
		if f.r.err != nil {
			return nil //nolint:nilerr // the reader keeps its error for the caller
		}
		if uint64(depth) >= uint64(len(f.inside)) {
			return fmt.Errorf("a branch at offset %d leads out of the function", at)
		}
		ahead := int(depth)
		if op == opBr {
			ahead = f.jumpAhead(int(depth), at)
		}
		if err := f.branchTo(op, at, ahead); err != nil {
			return err
		}
	case opBrTable:
		if err := f.branchTable(at); err != nil {
			return err
		}
	}
	if op != opBrIf {
		f.now = nowhere
	}
	return nil
}

// target is the block that is some blocks out of here.
func (f *function) target(depth int) (index int) { return f.inside[len(f.inside)-1-depth] }

// jumpAhead is how far out a br at an offset leads that leads back to a loop some
// blocks out of here: see jumps.go.
func (f *function) jumpAhead(depth, at int) int {
	loop := len(f.inside) - 1 - depth
	jumps := f.tree[f.inside[loop]].jumps
	if jumps == nil {
		return depth
	}
	value, ok := f.known.is(jumps.local, at)
	if !ok {
		return depth
	}
	to := jumps.block(value)
	from := jumps.section(len(f.inside)-loop, func(n int) bool { return f.inside[loop+n] == f.inside[loop]+n })
	if from <= to || jumps.inner == nil || jumps.enters(from, to) {
		return depth // it lies behind, or is left alone
	}
	return depth - to
}

func (f *function) branchTo(op byte, at, depth int) error {
	index := f.target(depth)
	b := &f.tree[index]
	if b.loop && !b.around && !b.header {
		return errOutline // it was thought that no branch leads back
	}
	f.leads(b, at)
	f.exit(op, at, depth)
	b.cost = max(b.cost, f.now.paid)
	e := edit{from: at + 1, to: f.r.p, kind: editLabel, index: f.label(uint32(depth), b)}
	switch {
	case b.around:
		before := f.now
		e.from, e.kind = at, editTurn
		if op == opBrIf {
			e.kind = editTurnIf
		}
		e.depth, e.index = e.index, f.charge(true, index)
		f.now = before
	case op == opBrIf:
		e.from, e.kind = at, editBranchIf // may yet have to spill
	}
	f.edits = append(f.edits, e)
	return nil
}

// leads notes a branch at an offset to a label.
func (f *function) leads(b *block, at int) {
	switch {
	case b.parent < 0:
		f.returns(at)
	case !b.loop:
		b.join.meet(f.now)
	case b.header:
		if f.now.due() > headed {
			f.pay(at, false)
		}
		c := &f.charges[b.charge]
		b.cost = max(b.cost, f.now.paid)
		c.cost, c.first = max(c.cost, f.now.due()), c.first || f.now.through >= 0
	}
}

func (f *function) branchTable(at int) error {
	n := f.r.u32()
	if n > f.rw.m.limits.BranchTargets {
		return fmt.Errorf("a br_table at offset %d has %d targets, the limit is %d", at, n, f.rw.m.limits.BranchTargets)
	}
	from, outmost := f.r.p, 0
	f.labels = f.labels[:0]
	for range uint64(n) + 1 {
		depth := f.r.u32()
		if f.r.err != nil {
			return nil //nolint:nilerr // the reader keeps its error for the caller
		}
		if uint64(depth) >= uint64(len(f.inside)) {
			return fmt.Errorf("a branch at offset %d leads out of the function", at)
		}
		f.labels = append(f.labels, depth)
		outmost = max(outmost, int(depth))
	}
	for _, depth := range f.labels {
		b := &f.tree[f.target(int(depth))]
		if b.loop && !b.header {
			return errOutline
		}
		f.leads(b, at)
	}
	f.exit(opBrTable, at, outmost)
	if f.tree[f.target(0)].added != f.tree[f.target(outmost)].added {
		first := len(f.moved)
		for _, depth := range f.labels {
			f.moved = append(f.moved, f.label(depth, &f.tree[f.target(int(depth))]))
		}
		f.edits = append(f.edits, edit{from: from, to: f.r.p, kind: editLabels, index: uint32(first), depth: uint32(len(f.moved))})
	}
	return nil
}
