package meter

import "errors"

var (
	errShort       = errors.New("ends in the middle of a value")
	errLEB         = errors.New("contains a number that is longer than its type")
	errMemoryIndex = errors.New("names a second memory, which is not enabled")
	errBlockType   = errors.New("contains a block type that is not enabled")
)

// reader walks over a part of a module. The first failure sticks in err; after
// it every read returns zero, so that a caller may check once per item.
type reader struct {
	b   []byte
	p   int
	err error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.p = len(r.b)
}

func (r *reader) left() int { return len(r.b) - r.p }

func (r *reader) byte() byte {
	if r.p >= len(r.b) {
		r.fail(errShort)
		return 0
	}
	c := r.b[r.p]
	r.p++
	return c
}

func (r *reader) skip(n int) {
	if n < 0 || n > r.left() {
		r.fail(errShort)
		return
	}
	r.p += n
}

// take returns the next n bytes without copying them.
func (r *reader) take(n uint32) []byte {
	if uint64(n) > uint64(r.left()) {
		r.fail(errShort)
		return nil
	}
	s := r.b[r.p : r.p+int(n) : r.p+int(n)]
	r.p += int(n)
	return s
}

// u32 reads an unsigned LEB128 of at most five bytes.
func (r *reader) u32() uint32 {
	if r.p < len(r.b) && r.b[r.p] < 0x80 { // nearly all are one byte
		c := r.b[r.p]
		r.p++
		return uint32(c)
	}
	var v uint32
	for shift := 0; shift < 35; shift += 7 {
		c := r.byte()
		if shift == 28 && c > 0x0f {
			r.fail(errLEB)
			return 0
		}
		v |= uint32(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
	r.fail(errLEB)
	return 0
}

// skipSigned passes over a signed LEB128 of at most limit bytes. That its
// unused bits are right is left to the validator, which reads as many bytes.
func (r *reader) skipSigned(limit int) {
	for range limit {
		if r.byte() < 0x80 {
			return
		}
	}
	r.fail(errLEB)
}

// s32 reads a signed LEB128 of at most five bytes.
func (r *reader) s32() int32 {
	var v int64
	for shift := 0; shift < 35; shift += 7 {
		c := r.byte()
		v |= int64(c&0x7f) << shift
		if c < 0x80 {
			return int32(v << (57 - shift) >> (57 - shift))
		}
	}
	r.fail(errLEB)
	return 0
}

func (r *reader) name() string { return string(r.take(r.u32())) }

func appendU32(b []byte, v uint32) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

func appendS64(b []byte, v int64) []byte {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if (v == 0 && c&0x40 == 0) || (v == -1 && c&0x40 != 0) {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

func appendBytes(b, s []byte) []byte { return append(appendU32(b, uint32(len(s))), s...) }

func appendName(b []byte, s string) []byte { return append(appendU32(b, uint32(len(s))), s...) }
