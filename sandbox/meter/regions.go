package meter

import "fmt"

// A loop of more than smallLoop units in a function of more than fewIntegers
// integer locals keeps the fuel in the global: its registers are worth more to
// it than what a check costs in so long a turn.
const (
	smallLoop   = 20
	fewIntegers = 16
)

// countIntegers counts the parameters and locals that need an integer register.
func countIntegers(params []byte, b *body) (n uint32) {
	for _, t := range params {
		if t == typeI32 || t == typeI64 {
			n++
		}
	}
	r := &reader{b: b.groupBytes}
	for range b.groups {
		k := r.u32()
		if t := r.byte(); t == typeI32 || t == typeI64 {
			n += k
		}
	}
	return n
}

// block is a block, loop or if of a function, or its body.
type block struct {
	parent int   // -1: the body
	load   int   // edit before it
	spill  int   // edit behind its end (of the body: before it)
	loop   bool  // it is a loop
	loops  bool  // it is a loop or has one inside
	leaves bool  // it has an instruction inside that uses the global
	charge int   // of a loop's header
	join   int64 // what is stale where branches to its end come from
	entry  int64 // what was stale where it begins
	oneArm bool  // it is an if, without an else so far
	dear   bool  // it has a loop inside for which a register costs more than it saves
	region bool  // the fuel is in the local
}

// exit is a branch or return that leaves all blocks inside of target; a return
// and a branch to the outermost label leave the body, block 0.
type exit struct {
	edit, from, target int
}

func (f *function) slot(at int) int {
	f.edits = append(f.edits, edit{from: at, to: at, kind: editSlot})
	return len(f.edits) - 1
}

// enter begins a block whose instruction stands at an offset.
func (f *function) enter(op byte, at int) {
	b := block{parent: -1, load: f.slot(at), loop: op == opLoop, loops: op == opLoop,
		join: paid, entry: f.stale, oneArm: op == opIf}
	if n := len(f.inside); n > 0 {
		b.parent = f.inside[n-1]
	} else {
		f.edits[b.load].from, f.edits[b.load].to = f.r.p, f.r.p
	}
	f.inside = append(f.inside, len(f.tree))
	f.tree = append(f.tree, b)
}

// exit ends the innermost block; its end stands at an offset.
func (f *function) exit(at int) {
	i := f.inside[len(f.inside)-1]
	f.inside = f.inside[:len(f.inside)-1]
	b := &f.tree[i]
	if b.parent < 0 {
		b.spill = f.slot(at)
		return
	}
	b.spill = f.slot(f.r.p)
	p := &f.tree[b.parent]
	p.loops, p.leaves = p.loops || b.loops, p.leaves || b.leaves
}

// leaves notes that the innermost block uses the global.
func (f *function) leaves() { f.tree[f.inside[len(f.inside)-1]].leaves = true }

// branch notes how far out a branch or return leads.
func (f *function) branch(op byte, at int) error {
	slot := f.slot(at)
	depth := uint32(len(f.inside) - 1)
	switch op {
	case opBr, opBrIf:
		depth = f.r.u32()
		f.leads(depth)
	case opBrTable:
		n := f.r.u32()
		if n > f.rw.m.limits.BranchTargets {
			return fmt.Errorf("a br_table at offset %d has %d targets, the limit is %d", at, n, f.rw.m.limits.BranchTargets)
		}
		depth = 0
		for range uint64(n) + 1 {
			label := f.r.u32()
			if f.r.err != nil {
				break
			}
			depth = max(depth, label)
			f.leads(label)
		}
	}
	if f.r.err == nil && uint64(depth) >= uint64(len(f.inside)) {
		return fmt.Errorf("a branch at offset %d leads out of the function", at)
	}
	if f.r.err == nil {
		f.exits = append(f.exits, exit{slot, f.inside[len(f.inside)-1], f.inside[len(f.inside)-1-int(depth)]})
	}
	if op == opBrIf {
		f.divide()
	} else {
		f.stale = paid // what follows is not reached from here
	}
	return nil
}

// resolve finds the outermost blocks with loops and without calls.
func (f *function) resolve() {
	if f.integers > fewIntegers {
		for i := len(f.tree) - 1; i > 0; i-- { // children come after their parents
			b := &f.tree[i]
			b.dear = b.dear || b.loop && f.charges[b.charge].cost > smallLoop
			f.tree[b.parent].dear = f.tree[b.parent].dear || b.dear
		}
	}
	for i := range f.tree {
		b := &f.tree[i]
		if b.parent >= 0 && f.tree[b.parent].region {
			b.region = true
		} else if b.loops && !b.leaves && !b.dear {
			b.region = true
			f.edits[b.load].kind, f.edits[b.spill].kind = editLoad, editSpill
		}
	}
	for _, e := range f.exits {
		if !f.tree[e.from].region {
			continue
		}
		// The target is in the region or its outermost block: there the fuel is
		// in the local, or is spilled behind the end.
		if e.target == 0 || !f.tree[e.target].region {
			f.edits[e.edit].kind = editSpill
		}
	}
}

// emitLocalCharge is as emitCharge where the fuel is in the local.
func (rw *rewriter) emitLocalCharge(out []byte, c charge, local uint32) []byte {
	if c.cost == 0 && !c.check {
		return out
	}
	out = appendU32(append(out, opLocalGet), local)
	out = append(appendS64(append(out, opI64Const), max(c.cost, 1)), opI64Sub)
	if !c.check {
		return appendU32(append(out, opLocalSet), local)
	}
	out = appendU32(append(out, opLocalTee), local)
	out = append(out, opI64Const, 0, opI64LtS, opIf, blockEmpty)
	out = appendU32(append(out, opCall), rw.yield)
	out = appendU32(append(out, opLocalSet), local)
	return append(out, opEnd)
}
