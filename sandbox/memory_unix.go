//go:build unix

package sandbox

import (
	"context"
	"syscall"

	"github.com/tetratelabs/wazero/experimental"
)

// withMemory makes the memories instantiated under ctx live outside the Go
// heap: the garbage collector neither scans nor counts them, growing never
// copies, and closing an instance returns its pages to the system at once.
func withMemory(ctx context.Context) context.Context {
	return experimental.WithMemoryAllocator(ctx, experimental.MemoryAllocatorFunc(allocate))
}

func allocate(_, maximum uint64) experimental.LinearMemory {
	m, err := syscall.Mmap(-1, 0, int(max(maximum, 1)), syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_PRIVATE|syscall.MAP_ANON|mapNoReserve)
	if err != nil {
		return &heapMemory{}
	}
	return &mappedMemory{mapping: m}
}

// mappedMemory reserves the maximum as address space; pages come when they are
// touched.
type mappedMemory struct{ mapping []byte }

// Reallocate returns the first size bytes, which never move.
func (m *mappedMemory) Reallocate(size uint64) []byte {
	if size > uint64(len(m.mapping)) {
		return nil
	}
	return m.mapping[:size]
}

// Free unmaps the memory.
func (m *mappedMemory) Free() {
	_ = syscall.Munmap(m.mapping)
	m.mapping = nil
}
