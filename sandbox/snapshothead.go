package sandbox

import (
	"encoding/binary"
	"fmt"
	"time"
)

// The head of a snapshot's file, little endian:
//
//	magic   8 bytes
//	version u32
//	length  u32, of what follows
//	engine, module: u32 length and text each
//	size    u64, of the linear memory, in bytes
//	clock   i64, the guest's monotonic clock, in nanoseconds
//	taken   i64, when, in nanoseconds since the Unix epoch
//	globals u32 count, u64 each
//	runs    u32 count, of first page u32 and pages u32 each, ascending
//
// Behind it stand the pages of the runs, 4 KiB each, and the HMAC-SHA-256 of all
// that is before it. There is one encoding of each snapshot.
const (
	snapshotMagic   = "lambent\x01"
	snapshotVersion = 1
	// maxHead is far above what a memory of 4 GiB needs if every other page is zero.
	maxHead = 8 << 20
	// maxText bounds the texts of a head.
	maxText = 256
	// maxClock is how far a guest's clock can stand, 73 years: it can go on from
	// there without an overflow.
	maxClock = 1 << 61
)

type snapshotHead struct {
	engine, module string
	size           uint64
	clock          time.Duration
	taken          time.Time
	globals        []uint64
	runs           []pageRun
}

// pageRun is a stretch of pages that are not left out.
type pageRun struct{ first, pages uint32 }

// damaged says what is wrong with what was read.
type damaged struct{ reason string }

func (d *damaged) Error() string { return d.reason }

// add appends a page behind those that are there.
func (h *snapshotHead) add(page uint32) {
	if n := len(h.runs); n > 0 && h.runs[n-1].first+h.runs[n-1].pages == page {
		h.runs[n-1].pages++
		return
	}
	h.runs = append(h.runs, pageRun{page, 1})
}

func (h *snapshotHead) encode() []byte {
	le := binary.LittleEndian
	b := le.AppendUint32([]byte(snapshotMagic), snapshotVersion)
	b = le.AppendUint32(b, 0) // the length, below
	for _, text := range []string{h.engine, h.module} {
		b = append(le.AppendUint32(b, uint32(len(text))), text...)
	}
	b = le.AppendUint64(b, h.size)
	b = le.AppendUint64(b, uint64(h.clock))
	b = le.AppendUint64(b, uint64(h.taken.UnixNano()))
	b = le.AppendUint32(b, uint32(len(h.globals)))
	for _, g := range h.globals {
		b = le.AppendUint64(b, g)
	}
	b = le.AppendUint32(b, uint32(len(h.runs)))
	for _, run := range h.runs {
		b = le.AppendUint32(le.AppendUint32(b, run.first), run.pages)
	}
	le.PutUint32(b[fixedHead-4:], uint32(len(b)-fixedHead))
	return b
}

// fixedHead is magic, version and length.
const fixedHead = len(snapshotMagic) + 8

func readHead(r *digestReader) (*snapshotHead, error) {
	var fixed [fixedHead]byte
	if err := r.full(fixed[:]); err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	version, length := le.Uint32(fixed[len(snapshotMagic):]), le.Uint32(fixed[fixedHead-4:])
	switch {
	case string(fixed[:len(snapshotMagic)]) != snapshotMagic:
		return nil, &damaged{"it is not a snapshot"}
	case version != snapshotVersion:
		return nil, &damaged{fmt.Sprintf("its format is version %d, this is %d", version, snapshotVersion)}
	case length > maxHead:
		return nil, &damaged{"its head is too long"}
	}
	b := make([]byte, length)
	if err := r.full(b); err != nil {
		return nil, err
	}
	return decodeHead(b)
}

// headReader reads fields; too few bytes make it bad for good.
type headReader struct {
	b   []byte
	bad bool
}

func (r *headReader) take(n int) []byte {
	if r.bad || n > len(r.b) {
		r.bad = true
		return make([]byte, min(n, 8))
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *headReader) u32() uint32 { return binary.LittleEndian.Uint32(r.take(4)) }
func (r *headReader) u64() uint64 { return binary.LittleEndian.Uint64(r.take(8)) }

// count reads how many things of a size follow, at most as many as there is room
// for.
func (r *headReader) count(size int) int {
	n := int(r.u32())
	if n > len(r.b)/size {
		r.bad = true
		return 0
	}
	return n
}

func (r *headReader) text() string {
	n := r.count(1)
	if n > maxText {
		r.bad = true
		return ""
	}
	return string(r.take(n))
}

func decodeHead(b []byte) (*snapshotHead, error) {
	r := &headReader{b: b}
	h := &snapshotHead{engine: r.text(), module: r.text(), size: r.u64(),
		clock: time.Duration(r.u64()), taken: time.Unix(0, int64(r.u64()))}
	h.globals = make([]uint64, r.count(8))
	for i := range h.globals {
		h.globals[i] = r.u64()
	}
	h.runs = make([]pageRun, r.count(8))
	var end uint64 // of the run before, in pages; two runs never touch
	for i := range h.runs {
		run := pageRun{r.u32(), r.u32()}
		if run.pages == 0 || (i > 0 && uint64(run.first) <= end) {
			return nil, &damaged{"its pages are out of order"}
		}
		end = uint64(run.first) + uint64(run.pages)
		h.runs[i] = run
	}
	switch {
	case r.bad || len(r.b) > 0:
		return nil, &damaged{"its head is not as long as it says"}
	case h.size > maxPages*pageBytes || end*imagePage > h.size:
		return nil, &damaged{"its pages lie outside of its memory"}
	case h.clock < 0 || h.clock > maxClock || h.taken.UnixNano() < 0:
		return nil, &damaged{"its clock cannot be right"}
	}
	return h, nil
}
