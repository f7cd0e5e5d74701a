package sandbox

// heapMemory is a linear memory on the Go heap, for when none can be mapped.
type heapMemory struct{ b []byte }

// Reallocate grows the memory to size bytes.
func (m *heapMemory) Reallocate(size uint64) []byte {
	if uint64(cap(m.b)) < size {
		grown := make([]byte, size)
		copy(grown, m.b)
		m.b = grown
	}
	m.b = m.b[:size]
	return m.b
}

// Free lets the garbage collector have it.
func (m *heapMemory) Free() { m.b = nil }
