package meter

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
	parent int    // -1: the body
	load   int    // edit before it
	spill  int    // edit behind its end (of the body: before it)
	charge uint32 // of a loop's header
	added  uint32 // labels that are added from the body down to the inside of this
	join   tally  // of the branches to its end
	entry  tally  // where it begins
	cost   int64  // of a loop's longest turn since its last charge
	jumps  *jumpTable
	loop   bool   // it is a loop
	around bool   // blocks are put around it, see loops.go
	header bool   // its header charges
	oneArm bool   // it is an if, without an else so far
	plain  bool   // its label takes no values
	loops  uint32 // it has, itself included, as far as they are children
	only   int    // child with loops, if it is the only one
	leaves bool   // it has an instruction inside that uses the global
	dear   bool   // it has a loop inside for which a register costs more than it saves
	aimed  bool   // a branch from a child with loops leads to its end
	region bool   // the fuel is in the local
}

// leave is a branch or return that leaves all blocks inside of target; a return
// and a branch to the outermost label leave the body, block 0.
type leave struct {
	edit, from, target int
	op                 byte
}

func (f *function) slot(at int) int {
	f.edits = append(f.edits, edit{from: at, to: at, kind: editSlot})
	return len(f.edits) - 1
}

// enter begins a block whose instruction stands at an offset.
func (f *function) enter(op byte, at int) {
	b := block{parent: -1, load: f.slot(at), loop: op == opLoop, join: nowhere, entry: f.now, oneArm: op == opIf}
	if n := len(f.inside); n > 0 {
		b.parent = f.inside[n-1]
		b.added = f.tree[b.parent].added
		b.plain = f.r.p == at+2 && f.r.b[at+1] == blockEmpty
	} else {
		f.edits[b.load].from, f.edits[b.load].to = f.r.p, f.r.p
	}
	f.inside = append(f.inside, len(f.tree))
	f.tree = append(f.tree, b)
}

// close ends the innermost block, whose end stands at an offset and has been read.
func (f *function) close(at int) {
	i := f.inside[len(f.inside)-1]
	b := &f.tree[i]
	if !b.loop {
		f.now.meet(b.join)
	}
	if b.oneArm {
		f.now.meet(b.entry)
	}
	if b.parent < 0 {
		f.returns(at)
		b.spill = f.slot(at)
	} else {
		if b.around {
			f.edits = append(f.edits, edit{from: at, to: f.r.p, kind: editEnd, index: uint32(i)})
		}
		b.spill = f.slot(f.r.p)
		p := &f.tree[b.parent]
		p.leaves = p.leaves || b.leaves
		if b.loop {
			b.loops = 1
		}
		if b.loops > 0 {
			p.loops++
			p.only = i
		}
	}
	f.inside = f.inside[:len(f.inside)-1]
}

// elseArm goes back to where the if began.
func (f *function) elseArm() {
	b := &f.tree[f.inside[len(f.inside)-1]]
	b.join.meet(f.now)
	f.now, b.oneArm = b.entry, false
}

// leaves notes that the innermost block uses the global.
func (f *function) leaves() { f.tree[f.inside[len(f.inside)-1]].leaves = true }

// exit notes how far out a branch or return leads.
func (f *function) exit(op byte, at, depth int) {
	f.exits = append(f.exits, leave{f.slot(at), f.inside[len(f.inside)-1], f.target(depth), op})
}

// resolve finds the blocks with loops and without calls around which the fuel
// moves into the local: the innermost ones that have all the loops of the
// outermost inside, and that their loops do not leave by a branch.
func (f *function) resolve() {
	f.findDear()
	f.moves = false
	for _, e := range f.exits {
		f.tree[e.target].aimed = f.tree[e.target].aimed || f.tree[e.target].loops > 0
	}
	for i := range f.tree {
		b := &f.tree[i]
		if b.parent >= 0 && f.tree[b.parent].region {
			b.region = true
			continue
		}
		if b.loops == 0 || b.leaves || b.dear {
			continue
		}
		if !b.loop && b.loops == 1 && (!b.aimed || i == 0) {
			continue // the one inside will do
		}
		b.region, f.moves = true, true
		f.edits[b.load].kind, f.edits[b.spill].kind = editLoad, editSpill
	}
	for _, e := range f.exits {
		if !f.tree[e.from].region || (e.target != 0 && f.tree[e.target].region) {
			continue
		}
		// The target is not in the region, where the fuel is in the local, nor is
		// it its outermost block, where the fuel is spilled behind the end.
		if branch := e.edit + 1; e.op == opBrIf && f.tree[e.target].plain && f.edits[branch].kind == editBranchIf {
			f.edits[branch].kind = editSpillIf
		} else {
			f.edits[e.edit].kind = editSpill
		}
	}
}

// findDear finds loops that need all registers for themselves.
func (f *function) findDear() {
	if f.integers <= fewIntegers {
		return
	}
	for i := len(f.tree) - 1; i > 0; i-- { // children come after their parents
		b := &f.tree[i]
		b.dear = b.dear || b.loop && b.cost > smallLoop
		f.tree[b.parent].dear = f.tree[b.parent].dear || b.dear
	}
}
