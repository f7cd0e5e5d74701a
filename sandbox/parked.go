package sandbox

import (
	"encoding/binary"
	"slices"
	"sync"
)

// An instance that is not called for a while is parked: it keeps what in its memory
// differs from the image that the memory was made of, mostly a few kilobytes, and
// has no memory mapped, no page tables, no seat. The next call sets the memory up
// again. Parking is done to those that lose their seat to another instance, so that
// what is called often never is, and by [Instance.Park].
//
// parked is the memory of such an instance. An instance that was never called is
// parked with no difference.
type parked struct {
	image *image
	delta []byte
}

// maxParked is how many bytes of written pages are looked at to park an instance;
// one that has written more keeps its pages.
const maxParked = 8 << 20

// Park gives back what an idle instance can do without: its memory but for what
// it has changed in it, and its seat. Its next call takes some tens of
// microseconds more. An instance with more to it than memory and globals, or that
// has written megabytes, stays as it is. Errors: ErrBusy and ErrClosed.
func (i *Instance) Park() error {
	leave, err := i.enter(stateReady)
	if err != nil {
		return err
	}
	defer leave()
	if i.module.seats.part(i) {
		i.park()
	}
	return nil
}

// park takes the memory down if the instance has no seat and nobody is about to
// give it one.
func (i *Instance) park() {
	if !i.rest.TryLock() {
		return
	}
	defer i.rest.Unlock()
	if i.space == nil || i.module.seats.seated(i) {
		return
	}
	if p := i.space.difference(i.size); p != nil {
		i.dropSpace()
		i.parked = p
	}
}

// wake sets the memory up again; the caller holds i.rest. Where none can be mapped
// it is on the heap.
func (i *Instance) wake() error {
	p := i.parked
	if p == nil {
		return nil
	}
	s := p.image.take(i.module.maxMemory())
	if s == nil {
		s = newSpace(i.module.maxMemory())
		if err := p.load(s); err != nil {
			return err
		}
	}
	p.fill(s, i.size)
	i.space, i.parked = s, nil
	return nil
}

// load makes a space the image's.
func (p *parked) load(s *space) error {
	err := s.load(p.image)
	if err == nil {
		return nil
	}
	s.free()
	return s.load(p.image) // s is empty now, and on the heap
}

// fill makes the first size bytes of a space that is the image's what was parked.
func (p *parked) fill(s *space, size uint64) {
	memory := s.bytes(size)
	if len(p.delta) == 0 {
		return
	}
	if working := p.image.working.Load(); working != nil && !s.warm {
		s.populate(*working)
	}
	applyDelta(memory, p.delta)
}

// difference is what the first size bytes have that the image has not; nil where
// that cannot be known or is too much.
func (s *space) difference(size uint64) *parked {
	if s.mapped == nil || s.image == nil || (s.image.view == nil && s.image.size > 0) {
		return nil
	}
	runs, ok := s.written()
	if !ok || lengthOf(runs) > maxParked {
		return nil
	}
	buffer := deltas.Get().(*[]byte)
	defer deltas.Put(buffer)
	*buffer = (*buffer)[:0]
	w := deltaWriter{out: *buffer}
	for _, r := range runs {
		for at := r.from; at < min(r.to, size); at += imagePage {
			before := zeroPage[:]
			if at < s.image.size {
				before = s.image.view[at : at+imagePage]
			}
			w.page(at, before, s.mapped[at:at+imagePage])
		}
	}
	*buffer = w.out
	return &parked{image: s.image, delta: slices.Clone(w.out)}
}

// deltas are buffers for differences.
var deltas = sync.Pool{New: func() any { return new([]byte) }}

// wordBytes is the unit of a difference, in bytes.
const wordBytes = 8

// A deltaWriter writes a difference: over and over how many words stay as they
// are, how many change, and those.
type deltaWriter struct {
	out []byte
	end uint64 // of what has been written, in words
}

// maxSame is how many words that stay as they are, between two that change, are
// written nevertheless.
const maxSame = 1

func (w *deltaWriter) page(at uint64, before, after []byte) {
	first := at / wordBytes
	const words = imagePage / wordBytes
	for n := 0; n < words; n++ {
		if sameWord(before, after, n) {
			continue
		}
		from, to := n, n+1
		for n++; n < words && n-to <= maxSame; n++ {
			if !sameWord(before, after, n) {
				to = n + 1
			}
		}
		w.out = binary.AppendUvarint(w.out, first+uint64(from)-w.end)
		w.out = binary.AppendUvarint(w.out, uint64(to-from))
		w.out = append(w.out, after[from*wordBytes:to*wordBytes]...)
		w.end = first + uint64(to)
		n = to - 1 + min(1, n-to) // what was looked at is the same
	}
}

func sameWord(a, b []byte, n int) bool {
	return binary.NativeEndian.Uint64(a[n*wordBytes:]) == binary.NativeEndian.Uint64(b[n*wordBytes:])
}

func applyDelta(memory, delta []byte) {
	var at uint64
	for len(delta) > 0 {
		skip, n := binary.Uvarint(delta)
		delta = delta[n:]
		words, n := binary.Uvarint(delta)
		delta = delta[n:]
		at += skip * wordBytes
		at += uint64(copy(memory[at:], delta[:words*wordBytes]))
		delta = delta[words*wordBytes:]
	}
}
