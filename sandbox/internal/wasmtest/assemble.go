package wasmtest

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"
)

// op is an instruction: its bytes, and the letters of its immediates: u index,
// s signed, b block type, m memory access (alignment, offset), t types, B
// branch table, f and d floats, 0 a zero byte.
type op struct{ code, imm string }

var ops = map[string]op{
	"unreachable": {"\x00", ""}, "nop": {"\x01", ""}, "block": {"\x02", "b"}, "loop": {"\x03", "b"},
	"if": {"\x04", "b"}, "else": {"\x05", ""}, "end": {"\x0b", ""}, "br": {"\x0c", "u"}, "br_if": {"\x0d", "u"},
	"br_table": {"\x0e", "B"}, "return": {"\x0f", ""}, "call": {"\x10", "u"}, "call_indirect": {"\x11", "uu"},
	"return_call": {"\x12", "u"}, "return_call_indirect": {"\x13", "uu"}, "drop": {"\x1a", ""}, "select": {"\x1b", ""},
	"local.get": {"\x20", "u"}, "local.set": {"\x21", "u"}, "local.tee": {"\x22", "u"},
	"global.get": {"\x23", "u"}, "global.set": {"\x24", "u"}, "table.get": {"\x25", "u"}, "table.set": {"\x26", "u"},
	"i32.load": {"\x28", "m"}, "i64.load": {"\x29", "m"}, "i32.load8_u": {"\x2d", "m"},
	"i32.store": {"\x36", "m"}, "i64.store": {"\x37", "m"}, "i32.store8": {"\x3a", "m"},
	"memory.size": {"\x3f", "0"}, "memory.grow": {"\x40", "0"},
	"i32.const": {"\x41", "s"}, "i64.const": {"\x42", "s"}, "f32.const": {"\x43", "f"}, "f64.const": {"\x44", "d"},
	"i32.eqz": {"\x45", ""}, "i32.eq": {"\x46", ""}, "i32.ne": {"\x47", ""}, "i32.lt_s": {"\x48", ""},
	"i32.lt_u": {"\x49", ""}, "i32.gt_u": {"\x4b", ""}, "i64.eqz": {"\x50", ""}, "i64.lt_s": {"\x53", ""},
	"i32.add": {"\x6a", ""}, "i32.sub": {"\x6b", ""}, "i32.mul": {"\x6c", ""}, "i32.div_s": {"\x6d", ""}, "i32.rem_u": {"\x70", ""},
	"i32.and": {"\x71", ""}, "i32.xor": {"\x73", ""}, "i32.shl": {"\x74", ""}, "i32.rotl": {"\x77", ""},
	"i64.add": {"\x7c", ""}, "i64.sub": {"\x7d", ""}, "i64.mul": {"\x7e", ""}, "i64.shl": {"\x86", ""}, "i64.xor": {"\x85", ""},
	"f64.sqrt": {"\x9f", ""}, "f64.add": {"\xa0", ""}, "f64.mul": {"\xa2", ""},
	"i32.wrap_i64": {"\xa7", ""}, "i64.extend_i32_u": {"\xad", ""}, "f64.convert_i64_s": {"\xb9", ""},
	"i64.reinterpret_f64": {"\xbd", ""}, "i32.extend8_s": {"\xc0", ""},
	"ref.null": {"\xd0", "t"}, "ref.is_null": {"\xd1", ""}, "ref.func": {"\xd2", "u"},
	"i32.trunc_sat_f64_s": {"\xfc\x02", ""}, "i64.trunc_sat_f64_s": {"\xfc\x06", ""},
	"memory.init": {"\xfc\x08", "u0"}, "data.drop": {"\xfc\x09", "u"}, "memory.copy": {"\xfc\x0a", "00"},
	"memory.fill": {"\xfc\x0b", "0"}, "table.init": {"\xfc\x0c", "uu"}, "elem.drop": {"\xfc\x0d", "u"},
	"table.copy": {"\xfc\x0e", "uu"}, "table.grow": {"\xfc\x0f", "u"}, "table.size": {"\xfc\x10", "u"}, "table.fill": {"\xfc\x11", "u"},
	"i64x2.splat": {"\xfd\x12", ""}, "i64x2.extract_lane": {"\xfd\x1d", "u"}, "i64x2.add": {"\xfd\xce\x01", ""},
	"v128.load": {"\xfd\x00", "m"}, "v128.store": {"\xfd\x0b", "m"}, "i32x4.splat": {"\xfd\x11", ""},
	"i8x16.all_true": {"\xfd\x63", ""}, "i32x4.mul": {"\xfd\xb5\x01", ""}, "i32x4.extract_lane": {"\xfd\x1b", "u"},
}

// Assemble turns a text of instructions, separated by white space, into code.
// A block takes a signature as its type, for example "block >i" or "loop >";
// br_table takes its targets in one word, separated by commas.
func (m *Module) Assemble(text string) []byte {
	words := strings.Fields(text)
	var out []byte
	next := func() string {
		if len(words) == 0 {
			panic("immediate missing at the end of: " + text)
		}
		w := words[0]
		words = words[1:]
		return w
	}
	for len(words) > 0 {
		name := next()
		o, ok := ops[name]
		if !ok {
			panic("unknown instruction " + name)
		}
		out = append(out, o.code...)
		for i := range o.imm {
			out = m.immediate(out, o.imm[i], next)
		}
	}
	return out
}

func (m *Module) immediate(out []byte, kind byte, next func() string) []byte {
	switch kind {
	case 'u':
		return append(out, u(int(number(next())))...)
	case 's':
		return signed(out, number(next()))
	case 'm':
		return append(append(out, 0), u(int(number(next())))...)
	case 'b':
		sig := next()
		if sig == ">" {
			return append(out, 0x40)
		}
		return signed(out, int64(m.Type(sig)))
	case 'B':
		targets := strings.Split(next(), ",")
		out = append(out, u(len(targets)-1)...)
		for _, t := range targets {
			out = append(out, u(int(number(t)))...)
		}
		return out
	case 't':
		return append(out, kinds[next()[0]])
	case 'f':
		v, _ := strconv.ParseFloat(next(), 32)
		return binary.LittleEndian.AppendUint32(out, math.Float32bits(float32(v)))
	case 'd':
		v, _ := strconv.ParseFloat(next(), 64)
		return binary.LittleEndian.AppendUint64(out, math.Float64bits(v))
	}
	return append(out, 0)
}

func number(s string) int64 {
	n, err := strconv.ParseInt(s, 0, 64)
	if err != nil {
		panic(err)
	}
	return n
}

func signed(out []byte, v int64) []byte {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if (v == 0 && c&0x40 == 0) || (v == -1 && c&0x40 != 0) {
			return append(out, c)
		}
		out = append(out, c|0x80)
	}
}
