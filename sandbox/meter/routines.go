package meter

// chunkBytes is how much one step of a bulk memory instruction touches: a
// fraction of a millisecond, page faults included.
const chunkBytes = 1 << 20

// A byte of bulk work costs one unit of fuel, a table slot eight. What a byte
// really costs is less when it is in a cache and more when its page is touched
// for the first time.
const (
	bytesShift = 0
	slotsShift = 3
)

// routineKind names a function that the rewriter adds to the module.
type routineKind uint8

const (
	routineFill  routineKind = iota // memory.fill in chunks
	routineCopy                     // memory.copy in chunks
	routineInit                     // memory.init of one long segment in chunks
	routineGrow                     // memory.grow that tells the host of a refusal
	routineBytes                    // pays for a length in bytes and returns it
	routineSlots                    // pays for a length in table slots and returns it
)

var routineNames = [...]string{"fill", "copy", "init", "grow", "bytes", "slots"}

type routineKey struct {
	kind routineKind
	arg  uint32
}

// routine returns the index of the function for a kind and its argument; what
// is never asked for is not added.
func (rw *rewriter) routine(kind routineKind, arg uint32) uint32 {
	key := routineKey{kind, arg}
	if i, ok := rw.routineIndex[key]; ok {
		return i
	}
	i := rw.firstRoutine + uint32(len(rw.routines))
	rw.routines = append(rw.routines, key)
	rw.routineIndex[key] = i
	return i
}

// code is a function body in the making.
type code struct {
	b  []byte
	rw *rewriter
}

func (c *code) op(bytes ...byte)        { c.b = append(c.b, bytes...) }
func (c *code) index(op byte, i uint32) { c.b = appendU32(append(c.b, op), i) }
func (c *code) get(locals ...uint32)    { c.each(opLocalGet, locals) }
func (c *code) i32(v int32)             { c.b = appendS64(append(c.b, opI32Const), int64(v)) }
func (c *code) i64(v int64)             { c.b = appendS64(append(c.b, opI64Const), v) }
func (c *code) each(op byte, list []uint32) {
	for _, i := range list {
		c.index(op, i)
	}
}

// step adds (or with opI32Sub takes) one chunk to a local.
func (c *code) step(op byte, locals ...uint32) {
	for _, l := range locals {
		c.get(l)
		c.i32(chunkBytes)
		c.op(op)
		c.index(opLocalSet, l)
	}
}

// pay takes local n, shifted left, from the fuel, and asks for more when none
// is left; payChunk is the same for the length of a chunk.
func (c *code) pay(n uint32, shift int64) {
	c.index(opGlobalGet, c.rw.fuel)
	c.get(n)
	c.op(opI64ExtendI32U)
	c.i64(shift)
	c.op(opI64Shl, opI64Sub)
	c.settle()
}

func (c *code) payChunk() {
	c.index(opGlobalGet, c.rw.fuel)
	c.i64(chunkBytes << bytesShift)
	c.op(opI64Sub)
	c.settle()
}

func (c *code) settle() {
	c.index(opGlobalSet, c.rw.fuel)
	c.index(opGlobalGet, c.rw.fuel)
	c.i64(0)
	c.op(opI64LtS, opIf, blockEmpty)
	c.index(opCall, c.rw.yield)
	c.index(opGlobalSet, c.rw.fuel)
	c.op(opEnd)
}

// leaveIfOutside branches to label when from + n lies beyond the memory: the
// instruction behind the label then traps before it has written anything.
func (c *code) leaveIfOutside(from, n uint32, label byte) {
	c.get(from)
	c.op(opI64ExtendI32U)
	c.get(n)
	c.op(opI64ExtendI32U, opI64Add, opMemorySize, 0, opI64ExtendI32U)
	c.i64(16)
	c.op(opI64Shl, opI64GtU, opBrIf, label)
}

// leaveIfShort branches to label when at most one chunk is left of n.
func (c *code) leaveIfShort(n uint32, label byte) {
	c.get(n)
	c.i32(chunkBytes)
	c.op(opI32LeU, opBrIf, label)
}

// rangeType is (i32 i32 i32) -> (), unaryType (i32) -> i32.
const (
	typeOfRange = iota
	typeOfUnary
)

func (k routineKind) signature() int {
	if k <= routineInit {
		return typeOfRange
	}
	return typeOfUnary
}

// routineBody builds the body of a routine, its locals included.
func (rw *rewriter) routineBody(key routineKey) []byte {
	c := &code{rw: rw}
	switch key.kind {
	case routineFill:
		c.op(0)
		c.fill()
	case routineCopy:
		c.op(0)
		c.copy()
	case routineInit:
		c.op(0)
		c.init(key.arg)
	case routineGrow:
		c.op(1, 1, typeI32)
		c.grow()
	case routineBytes:
		c.op(0)
		c.pay(0, bytesShift)
		c.get(0)
	case routineSlots:
		c.op(0)
		c.pay(0, slotsShift)
		c.get(0)
	}
	c.op(opEnd)
	return c.b
}

// Parameters of the range routines.
const (
	argTo, argFrom, argLen = 0, 1, 2
)

func (c *code) fill() {
	c.op(opBlock, blockEmpty)
	c.leaveIfOutside(argTo, argLen, 0)
	c.op(opLoop, blockEmpty)
	c.leaveIfShort(argLen, 1)
	c.get(argTo, argFrom)
	c.i32(chunkBytes)
	c.op(opMiscPrefix, miscMemoryFill, 0)
	c.step(opI32Add, argTo)
	c.step(opI32Sub, argLen)
	c.payChunk()
	c.op(opBr, 0, opEnd, opEnd)
	c.pay(argLen, bytesShift)
	c.get(argTo, argFrom, argLen)
	c.op(opMiscPrefix, miscMemoryFill, 0)
}

// copy goes upwards when the target lies below the source and downwards when
// it lies above, so that overlapping ranges come out as if copied at once.
func (c *code) copy() {
	c.op(opBlock, blockEmpty)
	c.leaveIfOutside(argTo, argLen, 0)
	c.leaveIfOutside(argFrom, argLen, 0)
	c.get(argTo, argFrom)
	c.op(opI32LeU, opIf, blockEmpty, opLoop, blockEmpty)
	c.leaveIfShort(argLen, 2)
	c.get(argTo, argFrom)
	c.i32(chunkBytes)
	c.op(opMiscPrefix, miscMemoryCopy, 0, 0)
	c.step(opI32Add, argTo, argFrom)
	c.step(opI32Sub, argLen)
	c.payChunk()
	c.op(opBr, 0, opEnd, opElse, opLoop, blockEmpty)
	c.leaveIfShort(argLen, 2)
	c.step(opI32Sub, argLen)
	c.get(argTo, argLen)
	c.op(opI32Add)
	c.get(argFrom, argLen)
	c.op(opI32Add)
	c.i32(chunkBytes)
	c.op(opMiscPrefix, miscMemoryCopy, 0, 0)
	c.payChunk()
	c.op(opBr, 0, opEnd, opEnd, opEnd)
	c.pay(argLen, bytesShift)
	c.get(argTo, argFrom, argLen)
	c.op(opMiscPrefix, miscMemoryCopy, 0, 0)
}

func (c *code) init(segment uint32) {
	initOp := func() {
		c.op(opMiscPrefix)
		c.index(miscMemoryInit, segment)
		c.op(0)
	}
	c.op(opBlock, blockEmpty)
	c.leaveIfOutside(argTo, argLen, 0)
	// The same for the end of the segment; a dropped one traps in the first step.
	c.get(argFrom)
	c.op(opI64ExtendI32U)
	c.get(argLen)
	c.op(opI64ExtendI32U, opI64Add)
	c.i64(int64(c.rw.m.segments[segment]))
	c.op(opI64GtU, opBrIf, 0, opLoop, blockEmpty)
	c.leaveIfShort(argLen, 1)
	c.get(argTo, argFrom)
	c.i32(chunkBytes)
	initOp()
	c.step(opI32Add, argTo, argFrom)
	c.step(opI32Sub, argLen)
	c.payChunk()
	c.op(opBr, 0, opEnd, opEnd)
	c.pay(argLen, bytesShift)
	c.get(argTo, argFrom, argLen)
	initOp()
}

func (c *code) grow() {
	c.get(0)
	c.op(opMemoryGrow, 0)
	c.index(opLocalTee, 1)
	c.i32(-1)
	c.op(opI32Eq, opIf, blockEmpty)
	c.get(0)
	c.index(opCall, c.rw.refused)
	c.op(opEnd)
	c.get(1)
}
