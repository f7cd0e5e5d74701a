//go:build unix

package sandbox

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

const readWrite = unix.PROT_READ | unix.PROT_WRITE

// share maps an image for reading; nil if that cannot be.
func share(img *image) []byte {
	if img.size == 0 {
		return nil
	}
	p, err := unix.MmapPtr(int(img.file.Fd()), 0, nil, uintptr(img.size), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil
	}
	return unsafe.Slice((*byte)(p), img.size)
}

// reserve maps address space that is zero when read; nil when there is none.
func reserve(size uint64) []byte {
	p, err := unix.MmapPtr(-1, 0, nil, uintptr(max(size, 1)), readWrite, unix.MAP_PRIVATE|unix.MAP_ANON|mapNoReserve)
	if err != nil {
		return nil
	}
	return unsafe.Slice((*byte)(p), size)
}

// release unmaps; nil is nothing.
func release(mapped []byte) {
	if mapped == nil {
		return
	}
	_ = unix.MunmapPtr(unsafe.Pointer(unsafe.SliceData(mapped)), uintptr(max(len(mapped), 1)))
}

// fill makes the beginning an image's content, copy-on-write, and what was handed
// out behind it zero.
func (s *space) fill(from *image) error {
	if from == s.image && s.top > 0 && s.rewind(from) {
		return nil
	}
	s.warm = false
	if from == s.image && s.top > 0 && discard(s.mapped[:s.top]) {
		return nil
	}
	if s.top > from.size {
		if err := s.mapOver(nil, s.top); err != nil {
			return err
		}
	}
	if from.size == 0 {
		return nil
	}
	return s.mapOver(from, from.size)
}

// mapOver replaces the first n bytes by an image's, or by zeros.
func (s *space) mapOver(from *image, n uint64) error {
	fd, flags := -1, unix.MAP_PRIVATE|unix.MAP_FIXED|mapNoReserve
	if from != nil {
		fd = int(from.file.Fd())
	} else {
		flags |= unix.MAP_ANON
	}
	if n > uint64(len(s.mapped)) {
		return fmt.Errorf("an image of %d bytes does not fit into %d", n, len(s.mapped))
	}
	_, err := unix.MmapPtr(fd, 0, unsafe.Pointer(unsafe.SliceData(s.mapped)), uintptr(n), readWrite, flags)
	if err != nil {
		return fmt.Errorf("mapping a linear memory: %w", err)
	}
	return nil
}
