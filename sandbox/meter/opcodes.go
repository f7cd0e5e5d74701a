package meter

// The instructions that the rewriter treats by name. All others are known by
// the shape of their immediates only; see [skipImmediates].
const (
	opUnreachable        = 0x00
	opBlock              = 0x02
	opLoop               = 0x03
	opIf                 = 0x04
	opElse               = 0x05
	opEnd                = 0x0b
	opBr                 = 0x0c
	opBrIf               = 0x0d
	opBrTable            = 0x0e
	opReturn             = 0x0f
	opCall               = 0x10
	opCallIndirect       = 0x11
	opReturnCall         = 0x12
	opReturnCallIndirect = 0x13
	opDrop               = 0x1a
	opSelectTyped        = 0x1c
	opLocalGet           = 0x20
	opLocalSet           = 0x21
	opLocalTee           = 0x22
	opGlobalGet          = 0x23
	opGlobalSet          = 0x24
	opTableGet           = 0x25
	opTableSet           = 0x26
	opMemorySize         = 0x3f
	opMemoryGrow         = 0x40
	opI32Const           = 0x41
	opI64Const           = 0x42
	opF32Const           = 0x43
	opF64Const           = 0x44
	opI32Eq              = 0x46
	opI32GtU             = 0x4b
	opI32LeU             = 0x4d
	opI64LtS             = 0x53
	opI64GtU             = 0x56
	opI64GeS             = 0x59
	opI32Add             = 0x6a
	opI32Sub             = 0x6b
	opI64Add             = 0x7c
	opI64Sub             = 0x7d
	opI64Shl             = 0x86
	opI64ExtendI32U      = 0xad
	opLastPlain          = 0xc4 // i64.extend32_s
	opRefNull            = 0xd0
	opRefIsNull          = 0xd1
	opRefFunc            = 0xd2
	opMiscPrefix         = 0xfc
	opVecPrefix          = 0xfd

	miscMemoryInit = 8
	miscDataDrop   = 9
	miscMemoryCopy = 10
	miscMemoryFill = 11
	miscTableInit  = 12
	miscElemDrop   = 13
	miscTableCopy  = 14
	miscTableGrow  = 15
	miscTableSize  = 16
	miscTableFill  = 17

	blockEmpty = 0x40
)

// Shapes of the immediates that follow an opcode.
const (
	immBad     = iota // not an instruction, or of a proposal that is not enabled
	immNone           //
	immU32            // one index
	immU32x2          // two indices, or alignment and offset
	immBlock          // a block type
	immZero           // one byte that is zero: the memory
	immS32            // i32.const
	immS64            // i64.const
	imm4              // f32.const
	imm8              // f64.const
	immRefType        // one byte: funcref or externref
	immTable          // br_table
	immTypes          // typed select
	immMisc           // a further opcode
	immVec            // a further opcode
)

// immediates maps each opcode to the shape of its immediates: the core
// instruction set 2.0 with the tail calls (return_call, return_call_indirect).
var immediates = func() (t [256]uint8) {
	set := func(shape uint8, from, to int) {
		for op := from; op <= to; op++ {
			t[op] = shape
		}
	}
	set(immNone, 0x00, 0x01) // unreachable, nop
	set(immBlock, opBlock, opIf)
	set(immNone, opElse, opElse)
	set(immNone, opEnd, opEnd)
	set(immU32, opBr, opBrIf)
	set(immTable, opBrTable, opBrTable)
	set(immNone, opReturn, opReturn)
	set(immU32, opCall, opCall)
	set(immU32x2, opCallIndirect, opCallIndirect)
	set(immU32, opReturnCall, opReturnCall)
	set(immU32x2, opReturnCallIndirect, opReturnCallIndirect)
	set(immNone, opDrop, 0x1b) // drop, select
	set(immTypes, opSelectTyped, opSelectTyped)
	set(immU32, opLocalGet, opTableSet)
	set(immU32x2, 0x28, 0x3e) // loads and stores
	set(immZero, opMemorySize, opMemoryGrow)
	set(immS32, opI32Const, opI32Const)
	set(immS64, opI64Const, opI64Const)
	set(imm4, opF32Const, opF32Const)
	set(imm8, opF64Const, opF64Const)
	set(immNone, 0x45, opLastPlain) // comparisons, arithmetic, conversions
	set(immRefType, opRefNull, opRefNull)
	set(immNone, opRefIsNull, opRefIsNull)
	set(immU32, opRefFunc, opRefFunc)
	set(immMisc, opMiscPrefix, opMiscPrefix)
	set(immVec, opVecPrefix, opVecPrefix)
	return t
}()

// skipImmediates passes over the immediates of an instruction whose shape is
// one of the simple ones; it reports false for a shape it does not know.
func skipImmediates(r *reader, shape uint8, maxTargets uint32) bool {
	switch shape {
	case immNone:
	case immU32:
		r.u32()
	case immU32x2:
		r.u32()
		r.u32()
	case immBlock:
		skipBlockType(r)
	case immZero:
		return r.byte() == 0
	case immS32:
		r.skipSigned(5)
	case immS64:
		r.skipSigned(10)
	case imm4:
		r.skip(4)
	case imm8:
		r.skip(8)
	case immRefType:
		t := r.byte()
		return t == 0x70 || t == 0x6f
	case immTable:
		n := r.u32()
		if n > maxTargets {
			return false
		}
		for range uint64(n) + 1 {
			r.u32()
			if r.err != nil {
				break
			}
		}
	case immTypes:
		return r.u32() == 1 && isValueType(r.byte())
	case immVec:
		return skipVector(r)
	default:
		return false
	}
	return true
}

// skipBlockType passes over a block type: empty, a value type, or an index.
func skipBlockType(r *reader) {
	if r.p < len(r.b) && (r.b[r.p] == blockEmpty || isValueType(r.b[r.p])) {
		r.p++
		return
	}
	from := r.p
	r.skipSigned(5)
	if r.err == nil && r.b[r.p-1]&0x40 != 0 {
		r.p = from
		r.fail(errBlockType)
	}
}

// skipVector passes over a SIMD instruction. The number of the instruction is a
// LEB128, but wazero reads one byte of it and takes the 0x01 that follows the
// high ones for a nop. Anything but the canonical form is refused, so that both
// always see the same instructions.
func skipVector(r *reader) bool {
	op := r.byte()
	if op >= 0x80 && r.byte() != 0x01 {
		return false
	}
	switch {
	case op <= 0x0b, op == 0x5c, op == 0x5d: // loads and stores
		r.u32()
		r.u32()
	case op == 0x0c, op == 0x0d: // v128.const, i8x16.shuffle
		r.skip(16)
	case op >= 0x15 && op <= 0x22: // extract and replace lane
		r.byte()
	case op >= 0x54 && op <= 0x5b: // load and store lane
		r.u32()
		r.u32()
		r.byte()
	}
	return true
}

// costOf is an instruction's share of the static cost, in units of about one
// simple machine instruction. What only shapes control flow or moves values
// between registers is free.
func costOf(op byte) int64 {
	switch op {
	case 0x01, opBlock, opElse, opEnd, opDrop, opLocalGet, opI32Const, opI64Const:
		return 0
	case opCall, opReturnCall:
		return 4
	case opCallIndirect, opReturnCallIndirect:
		return 8
	case 0x6d, 0x6e, 0x6f, 0x70, 0x7f, 0x80, 0x81, 0x82, 0x91, 0x95, 0x9f, 0xa3: // div, rem, sqrt
		return 8
	case opRefFunc, opMemoryGrow: // leave the generated code
		return 50
	}
	return 1
}
