package meter

// silent is the largest cost of a function that is paid for by who calls it: it
// has no loop and calls only such functions, so it needs no charge of its own.
const silentCost = 48

// silentDepth bounds how deep calls among them are followed.
const silentDepth = 12

// outline is what is known of a function before its body is charged.
type outline struct {
	cost    int64    // of all its instructions
	loops   int      // its first in outlines.loops
	callees []uint32 // its own module's
	state   silence
	through int64 // the most that it does from entry to return without a charge
}

type silence uint8

const (
	unknown silence = iota
	underway
	silent
	loud
)

// outlines are those of all functions.
type outlines struct {
	functions []outline
	loops     []loopShape // in the order of their instructions
	callees   []uint32
}

// loopShape tells how a loop is gone around.
type loopShape struct {
	turns uint8 // branches back to it, as far as they are counted
	table bool  // one of them is a br_table
	calls bool  // it calls, or uses the global otherwise
	jumps *jumpTable
}

// turnsOwn is how many branches back a loop may have to be charged at each.
const turnsOwn = 8

// outlineAll reads every body once. What cannot be read is left to the second
// reading, which says why.
func (rw *rewriter) outlineAll() {
	o := &rw.outlines
	o.functions = make([]outline, len(rw.m.bodies))
	s := &sketcher{rw: rw}
	for i := range rw.m.bodies {
		o.functions[i].loops = len(o.loops)
		s.read(&o.functions[i], rw.m.bodies[i].code)
	}
	for i := range o.functions {
		o.decide(uint32(i), 0)
	}
}

// decide finds out whether a function is silent and what it costs then.
func (o *outlines) decide(index uint32, depth int) bool {
	if int(index) >= len(o.functions) {
		return false
	}
	f := &o.functions[index]
	switch {
	case f.state == silent || f.state == loud:
		return f.state == silent
	case f.state == underway || depth > silentDepth || f.cost > silentCost:
		return false
	}
	f.state = underway
	for _, callee := range f.callees {
		if !o.decide(callee, depth+1) {
			f.state = loud
			return false
		}
		f.cost += o.functions[callee].cost
	}
	if f.state = silent; f.cost > silentCost {
		f.state = loud
	}
	return f.state == silent
}

// sketched is an open block.
type sketched struct {
	number int
	loop   int // in outlines.loops, or -1
}

// sketcher reads a body for its outline.
type sketcher struct {
	rw    *rewriter
	r     reader
	open  []sketched
	loops []int // those of open that are loops
	next  int   // number of the next block
	known knownLocal
}

func (s *sketcher) read(f *outline, code []byte) {
	o := &s.rw.outlines
	s.r, s.open, s.loops = reader{b: code}, append(s.open[:0], sketched{loop: -1}), s.loops[:0]
	s.next, s.known = 1, knownLocal{end: -1}
	f.through = passing
	first := len(o.callees)
	for len(s.open) > 0 && s.r.err == nil && len(s.open) <= int(s.rw.m.limits.Nesting)+1 {
		at := s.r.p
		op := s.r.byte()
		f.cost += costOf(op)
		if !s.instruction(f, op, at) {
			break
		}
	}
	if len(s.open) > 0 {
		f.state = loud
	}
	f.callees = o.callees[first:]
	if f.state == loud || f.cost > silentCost {
		o.callees, f.callees = o.callees[:first], nil
	}
}

func (s *sketcher) instruction(f *outline, op byte, at int) bool {
	o := &s.rw.outlines
	switch op {
	case opI32Const:
		value := s.r.s32()
		s.known.constant(value, s.r.p)
		return true
	case opLocalSet:
		local := s.r.u32()
		s.known.set(local, at, s.r.p)
		return true
	case opCall:
		if callee := s.r.u32(); callee >= s.rw.m.imported[kindFunc] {
			s.calls()
			if f.cost <= silentCost {
				o.callees = append(o.callees, callee-s.rw.m.imported[kindFunc])
			}
		}
		return true
	case opCallIndirect, opReturnCall, opReturnCallIndirect, opMemoryGrow:
		f.state = loud
		s.calls()
	case opMiscPrefix:
		f.state = loud
		s.calls()
		return s.misc()
	case opBlock, opLoop, opIf:
		b := sketched{number: s.next, loop: -1}
		s.next++
		skipBlockType(&s.r)
		if op == opLoop {
			f.state, b.loop = loud, len(o.loops)
			shape := loopShape{jumps: readJumpTable(s.r.b[s.r.p:], s.rw.m.limits)}
			o.loops, s.loops = append(o.loops, shape), append(s.loops, b.loop)
		}
		s.open = append(s.open, b)
		return true
	case opEnd:
		if loop := s.open[len(s.open)-1].loop; loop >= 0 {
			s.loops = s.loops[:len(s.loops)-1]
			o.loops[loop].decideJumps()
		}
		s.open = s.open[:len(s.open)-1]
	case opBr, opBrIf:
		if depth := s.r.u32(); op == opBrIf || !s.jumpsAhead(depth, at) {
			s.turn(depth, false)
		}
		return true
	case opBrTable:
		n := s.r.u32()
		for range min(uint64(n), uint64(s.rw.m.limits.BranchTargets)) + 1 {
			s.turn(s.r.u32(), true)
		}
		return true
	}
	return skipImmediates(&s.r, immediates[op], 0)
}

// calls notes that the open loops call.
func (s *sketcher) calls() {
	for n := len(s.loops) - 1; n >= 0; n-- {
		l := &s.rw.outlines.loops[s.loops[n]]
		if l.calls {
			return // and so do those around it
		}
		l.calls = true
	}
}

func (s *sketcher) turn(depth uint32, table bool) {
	if uint64(depth) >= uint64(len(s.open)) {
		return
	}
	if i := s.open[len(s.open)-1-int(depth)].loop; i >= 0 {
		l := &s.rw.outlines.loops[i]
		l.turns, l.table = min(l.turns+1, turnsOwn+1), l.table || table
	}
}

// jumpsAhead tells whether a br at an offset may lead to the end of a block.
func (s *sketcher) jumpsAhead(depth uint32, at int) bool {
	loop := len(s.open) - 1 - int(depth)
	if loop < 0 || s.open[loop].loop < 0 {
		return false
	}
	jumps := s.rw.outlines.loops[s.open[loop].loop].jumps
	if jumps == nil {
		return false
	}
	value, ok := s.known.is(jumps.local, at)
	if !ok {
		return false
	}
	to := jumps.block(value)
	from := jumps.section(len(s.open)-loop, func(n int) bool { return s.open[loop+n].number == s.open[loop].number+n })
	if from <= to {
		jumps.goesBack(from, to)
		return false
	}
	jumps.ahead = append(jumps.ahead, [2]uint16{uint16(from), uint16(to)})
	return true
}

// decideJumps counts the jumps ahead that are left alone, when the loop ends.
func (l *loopShape) decideJumps() {
	if l.jumps == nil {
		return
	}
	l.jumps.findLoops()
	for _, jump := range l.jumps.ahead {
		if l.jumps.enters(int(jump[0]), int(jump[1])) {
			l.turns = min(l.turns+1, turnsOwn+1)
		}
	}
	l.jumps.ahead, l.jumps.back = nil, nil
}

// misc passes over a 0xfc instruction.
func (s *sketcher) misc() bool {
	op := s.r.u32()
	switch {
	case op < miscMemoryInit:
	case op == miscMemoryInit, op == miscMemoryCopy, op == miscTableInit, op == miscTableCopy:
		s.r.u32()
		s.r.u32()
	case op <= miscTableFill:
		s.r.u32()
	default:
		return false
	}
	return true
}
