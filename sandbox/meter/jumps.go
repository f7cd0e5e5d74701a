package meter

import "sort"

// Go compiles a function to one loop that begins with a jump table: a jump sets a
// local to a constant and goes back to the loop, which goes on to the block of that
// number. Where that block's end lies ahead, the branch may as well lead there at
// once: it means the same, is faster, and is no turn of the loop, so that it needs
// no check.
//
// Jumps into the middle of what another jump goes back over are left alone: those
// are the entries of the program's own loops, which would have a second way in,
// and the compiler would move all their values about in each turn.

// jumpTable is the beginning of such a loop: blocks, and a br_table on a local.
// What stands between the ends of two blocks is a section, numbered as the block
// whose end it follows: 1 is the outermost and comes last.
type jumpTable struct {
	local  uint32
	blocks int      // that follow the loop's instruction
	depths []uint32 // labels, the default last
	// inner has for each section the first one, which has the highest number, of
	// the smallest program's loop around it, or none.
	inner []uint16
	back  []uint16 // for each section the last one that goes back to it, or none
	ahead [][2]uint16
}

const noLoop = 1<<16 - 1

// readJumpTable reads what stands behind a loop's instruction, or returns nil.
func readJumpTable(code []byte, limits Limits) *jumpTable {
	j := &jumpTable{}
	for ; len(code) > 2 && code[0] == opBlock && code[1] == blockEmpty; code = code[2:] {
		j.blocks++
	}
	if j.blocks == 0 || uint32(j.blocks) > limits.Nesting || j.blocks >= noLoop || code[0] != opLocalGet {
		return nil
	}
	r := &reader{b: code, p: 1}
	j.local = r.u32()
	if r.byte() != opBrTable {
		return nil
	}
	n := r.u32()
	if n > limits.BranchTargets || uint64(n) > uint64(r.left()) {
		return nil
	}
	j.depths = make([]uint32, 0, n+1)
	for range n + 1 {
		depth := r.u32()
		if r.err != nil || uint64(depth) >= uint64(j.blocks) {
			return nil
		}
		j.depths = append(j.depths, depth)
	}
	return j
}

// block tells which block a value leads to the end of: 1 is the outermost inside
// of the loop.
func (j *jumpTable) block(value int32) int {
	i := min(uint64(uint32(value)), uint64(len(j.depths)-1))
	return j.blocks - int(j.depths[i])
}

// section tells in which one the reader is: of the first open blocks inside of the
// loop, with it, isOne tells which are the loop's, and those come first.
func (j *jumpTable) section(open int, isOne func(n int) bool) int {
	return 1 + sort.Search(min(open-1, j.blocks), func(i int) bool { return !isOne(i + 1) })
}

// goesBack notes a jump that goes back.
func (j *jumpTable) goesBack(from, to int) {
	if j.back == nil {
		j.back = make([]uint16, j.blocks+1)
	}
	if j.back[to] == 0 || from < int(j.back[to]) {
		j.back[to] = uint16(from)
	}
}

// findLoops fills inner, when all jumps are known. The loops come with the lowest
// first section first; what one has claimed is skipped by the next.
func (j *jumpTable) findLoops() {
	j.inner = make([]uint16, j.blocks+1)
	free := make([]uint16, j.blocks+2) // the next section from here on that is not claimed
	for i := range free {
		free[i] = uint16(i)
	}
	for i := range j.inner {
		j.inner[i] = noLoop
	}
	find := func(i uint16) uint16 {
		for free[i] != i {
			free[i] = free[free[i]]
			i = free[i]
		}
		return i
	}
	for first, last := range j.back {
		if last == 0 {
			continue
		}
		for i := find(last); int(i) <= first; i = find(i) {
			j.inner[i], free[i] = uint16(first), i+1
		}
	}
}

// enters tells whether a jump ahead leads into a program's loop.
func (j *jumpTable) enters(from, to int) bool {
	return j.inner[to] != noLoop && from > int(j.inner[to])
}

// knownLocal is a local that was set to a constant by the last two instructions.
type knownLocal struct {
	local uint32
	value int32
	from  int // where the constant ends
	end   int // where the instruction that sets it ends
}

// constant notes an i32.const.
func (k *knownLocal) constant(value int32, end int) { k.value, k.from, k.end = value, end, -1 }

// set notes a local.set that stands at an offset.
func (k *knownLocal) set(local uint32, at, end int) {
	if k.from == at {
		k.local, k.end = local, end
	}
}

// is tells the value of a local for the instruction at an offset.
func (k *knownLocal) is(local uint32, at int) (value int32, ok bool) {
	return k.value, k.end == at && k.local == local
}
