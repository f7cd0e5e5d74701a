package meter

// A function that returns comes back to a caller whose work was paid for when the
// caller was entered, perhaps in another quantum: a recursion would come back
// through a million frames and do the rest of each without asking the host. So
// what runs behind a call is counted again along each path: stale is the most
// that has run, on any path to where the reader is, since the last call returned,
// with no check in between. When it is more than staleAbove, a check is made that
// takes it once more.

// paid is the value of stale when there was a check since the last call, or none.
const paid = -1

// staleAbove bounds, in units, what each frame may do unasked on the way back.
const staleAbove = 64

// repay makes a check where too much is stale.
func (f *function) repay() {
	if owed := f.stale; owed > staleAbove {
		f.begin(true)
		f.charges[f.current].cost = owed
	}
}

// returned notes a call; own tells that the callee is metered.
func (f *function) returned(op byte, own bool) {
	switch {
	case op == opReturnCall || op == opReturnCallIndirect:
		f.stale = paid // what follows is not reached from here
	case own:
		f.calls++
		f.stale = 0
	}
}

// leads notes a branch from here to a label; the label of a loop begins with a
// check.
func (f *function) leads(depth uint32) {
	if uint64(depth) >= uint64(len(f.inside)) {
		return
	}
	if b := &f.tree[f.inside[len(f.inside)-1-int(depth)]]; !b.loop {
		b.join = max(b.join, f.stale)
	}
}

// elseArm goes back to where the if began.
func (f *function) elseArm() {
	b := &f.tree[f.inside[len(f.inside)-1]]
	b.join = max(b.join, f.stale)
	f.stale, b.oneArm = b.entry, false
}

// meet is the end of the innermost block, where all paths come together. What
// follows belongs to the charge that was current where the block began. If there
// was a call since, that charge may have been made before it.
func (f *function) meet() {
	b := &f.tree[f.inside[len(f.inside)-1]]
	f.stale = max(f.stale, b.join)
	if b.oneArm {
		f.stale = max(f.stale, b.entry)
	}
	if f.charges[f.current].calls != f.calls {
		f.stale = max(f.stale, 0)
	}
}
