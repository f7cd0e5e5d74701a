package meter

// An edit replaces the code from one offset to another.
type edit struct {
	from, to int
	kind     editKind
	index    uint32 // of the charge, function, segment, block or label
	depth    uint32 // label of a turn
}

type editKind uint8

const (
	editCharge   editKind = iota // insert the charge
	editCall                     // call, return_call, ref.func: the shifted index
	editRoutine                  // call a routine instead of the instruction
	editBefore                   // call a routine, then the instruction as it stands
	editSlot                     // nothing, until resolve finds that fuel moves here
	editLoad                     // the local takes the fuel
	editSpill                    // the global takes the fuel
	editTouch                    // set the flag, then the instruction as it stands
	editLabel                    // the depth of a branch
	editLabels                   // those of a br_table, in moved
	editBranchIf                 // br_if with another depth
	editSpillIf                  // the same that spills when it branches
	editLoop                     // a loop begins that has blocks around
	editEnd                      // it ends
	editTurn                     // br back to it
	editTurnIf                   // br_if back to it
)

// emit writes the body with its edits. spare is the index of the i64 local that
// has the fuel in regions.
func (f *function) emit(out []byte, b *body, spare uint32) []byte {
	pos := 0
	for i := range f.edits {
		e := &f.edits[i]
		out = append(out, b.code[pos:e.from]...)
		pos = e.to
		switch e.kind {
		case editCharge:
			out = f.emitCharge(out, f.charges[e.index], spare)
		case editLoad:
			out = appendU32(append(out, opGlobalGet), f.rw.fuel)
			out = appendU32(append(out, opLocalSet), spare)
		case editSpill:
			out = f.rw.emitSpill(out, spare)
		case editTouch:
			out = append(out, opI32Const, 1)
			out = appendU32(append(out, opGlobalSet), f.rw.touched)
		case editCall, editLabel:
			out = appendU32(out, e.index)
		case editLabels:
			for _, label := range f.moved[e.index:e.depth] {
				out = appendU32(out, label)
			}
		case editRoutine, editBefore:
			out = appendU32(append(out, opCall), e.index)
		case editBranchIf:
			out = appendU32(append(out, opBrIf), e.index)
		case editSpillIf:
			out = f.rw.emitSpill(append(out, opIf, blockEmpty), spare)
			out = append(appendU32(append(out, opBr), e.index+1), opEnd)
		case editLoop, editEnd:
			out = f.emitAround(out, e, b.code, spare)
		case editTurn:
			out = f.emitTurn(out, f.charges[e.index], e.depth, spare)
		case editTurnIf:
			out = f.emitTurn(append(out, opIf, blockEmpty), f.charges[e.index], e.depth+1, spare)
			out = append(out, opEnd)
		case editSlot:
		}
	}
	return append(out, b.code[pos:]...)
}

func (rw *rewriter) emitSpill(out []byte, spare uint32) []byte {
	out = appendU32(append(out, opLocalGet), spare)
	return appendU32(append(out, opGlobalSet), rw.fuel)
}

// emitAround writes the beginning and the end of a loop with blocks around it;
// see loops.go.
func (f *function) emitAround(out []byte, e *edit, code []byte, spare uint32) []byte {
	if e.kind == editLoop {
		out = append(append(out, opBlock), code[e.from+1:e.to]...)
		return append(append(out, code[e.from:e.to]...), opBlock, blockEmpty)
	}
	out = append(out, opBr, addedLabels, opEnd)
	out = f.emitAsk(out, int(e.index), spare)
	return append(out, opBr, 0, opEnd, opEnd)
}

// emitAsk asks the host for fuel.
func (f *function) emitAsk(out []byte, block int, spare uint32) []byte {
	out = appendU32(append(out, opCall), f.rw.yield)
	if f.tree[block].region {
		return appendU32(append(out, opLocalSet), spare)
	}
	return appendU32(append(out, opGlobalSet), f.rw.fuel)
}

// emitTake takes the cost from the fuel, and leaves on the stack what is left if
// that is asked for.
func (f *function) emitTake(out []byte, c charge, spare uint32) []byte {
	local := f.tree[c.block].region
	if local {
		out = appendU32(append(out, opLocalGet), spare)
	} else {
		out = appendU32(append(out, opGlobalGet), f.rw.fuel)
	}
	out = append(appendS64(append(out, opI64Const), max(c.cost, 1)), opI64Sub)
	switch {
	case local && c.check:
		return appendU32(append(out, opLocalTee), spare)
	case local:
		return appendU32(append(out, opLocalSet), spare)
	}
	out = appendU32(append(out, opGlobalSet), f.rw.fuel)
	if c.check {
		out = appendU32(append(out, opGlobalGet), f.rw.fuel) // the compiler remembers what it has just set
	}
	return out
}

// emitCharge writes a charge that stands in line. The way on comes first, so that
// the compiler lays registers out for it.
func (f *function) emitCharge(out []byte, c charge, spare uint32) []byte {
	out = f.emitTake(out, c, spare)
	if !c.check {
		return out
	}
	out = append(out, opI64Const, 0, opI64GeS, opIf, blockEmpty, opElse)
	return append(f.emitAsk(out, c.block, spare), opEnd)
}

// emitTurn writes a charge on the way back to a loop, and the branch. An if and a
// br in place of a br_if: the compiler joins no comparison with a branch whose edge
// it has to split.
func (f *function) emitTurn(out []byte, c charge, label, spare uint32) []byte {
	out = f.emitTake(out, c, spare)
	out = append(out, opI64Const, 0, opI64LtS, opIf, blockEmpty)
	out = append(appendU32(append(out, opBr), label-addedWithin+1), opEnd)
	return appendU32(append(out, opBr), label)
}
