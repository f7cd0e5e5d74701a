package sandbox

// A space is the linear memory of one instance. Where memory can be mapped it is
// address space for the maximum, outside the Go heap, reserved once: the garbage
// collector neither scans nor counts it, it never moves, pages come when they are
// touched and go back to the system at once. Elsewhere it is on the Go heap.
type space struct {
	mapped []byte // all of the reservation; nil: on the heap
	heap   []byte
	image  *image // what is mapped at the beginning, if anything
	top    uint64 // no byte from here on has been handed out since the last load
	warm   bool   // the pages that will be written to are there
}

// newSpace makes room for a memory of up to maximum bytes, all zero.
func newSpace(maximum uint64) *space {
	return &space{mapped: reserve(maximum)}
}

// bytes returns the first size bytes: those that were handed out before keep
// their content, others are zero. Nil: there is no room.
func (s *space) bytes(size uint64) []byte {
	if s.mapped != nil {
		if size > uint64(len(s.mapped)) {
			return nil
		}
		s.top = max(s.top, size)
		return s.mapped[:size]
	}
	if uint64(cap(s.heap)) < size {
		grown := make([]byte, size)
		copy(grown, s.heap)
		s.heap = grown
	}
	s.heap = s.heap[:size]
	return s.heap
}

// load makes the content that of an image, and zero behind it.
func (s *space) load(from *image) error {
	if s.mapped == nil {
		s.heap = make([]byte, from.size)
		return from.read(s.heap)
	}
	if err := s.fill(from); err != nil {
		return err
	}
	s.image, s.top = from, from.size
	return nil
}

// free gives the memory back. Nobody may hold what bytes has returned.
func (s *space) free() {
	release(s.mapped)
	*s = space{}
}
