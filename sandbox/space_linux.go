package sandbox

import (
	"encoding/binary"
	"os"
	"slices"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mapNoReserve keeps reserved address space from counting as promised memory.
const mapNoReserve = unix.MAP_NORESERVE

// discard drops the pages that were written, so that what they cover can be seen
// again: a file mapped privately, zeros elsewhere (madvise(2), MADV_DONTNEED).
func discard(b []byte) bool { return unix.Madvise(b, unix.MADV_DONTNEED) == nil }

// maxRewound is how many bytes are copied back at most, maxScanned how many are
// looked through for pages that were written: beyond, dropping them costs less.
const (
	maxRewound = 2 << 20
	maxScanned = 64 << 20
)

// rewind copies an image over the pages that were written since it was mapped,
// which stay where they are: dropping them would make the next call fault for each.
// False, with nothing done: it is better to drop them.
func (s *space) rewind(from *image) bool {
	if from.view == nil && from.size > 0 {
		return false
	}
	written, ok := s.written()
	if !ok || lengthOf(written) > maxRewound {
		return false
	}
	for _, r := range written {
		if r.from < from.size {
			copy(s.mapped[r.from:min(r.to, from.size)], from.view[r.from:])
		}
		if r.to > from.size {
			clear(s.mapped[max(r.from, from.size):r.to])
		}
	}
	return true
}

// Bits of an entry of /proc/PID/pagemap (proc_pid_pagemap(5)).
const (
	pagePresent = 1 << 63
	pageSwapped = 1 << 62
	pageOfFile  = 1 << 61
	pageEntry   = 8 // bytes
)

// pagemap tells of each page of this process; nil where it is not to be had.
var pagemap = sync.OnceValue(func() *os.File {
	f, err := os.Open("/proc/self/pagemap")
	if err != nil || os.Getpagesize() != imagePage {
		return nil
	}
	return f
})

// entries are buffers for a part of the page map.
var entries = sync.Pool{New: func() any { return new([]byte) }}

// written finds the pages that are the space's own: those it has written to, and
// behind the image those it has read. What is mapped from a file, and was not
// written to, is the file's. It reports false if that cannot be known.
func (s *space) written() ([]run, bool) {
	f := pagemap()
	if f == nil || s.top > maxScanned {
		return nil, false
	}
	buffer := entries.Get().(*[]byte)
	defer entries.Put(buffer)
	n := int(s.top/imagePage) * pageEntry
	*buffer = slices.Grow((*buffer)[:0], n)[:n]
	first := uintptr(unsafe.Pointer(unsafe.SliceData(s.mapped))) / imagePage
	if _, err := f.ReadAt(*buffer, int64(first)*pageEntry); err != nil {
		return nil, false
	}
	var runs []run
	for at := 0; at < n; at += pageEntry {
		entry := binary.LittleEndian.Uint64((*buffer)[at:])
		if entry&(pagePresent|pageSwapped) == 0 || entry&pageOfFile != 0 {
			continue
		}
		page := uint64(at/pageEntry) * imagePage
		if last := len(runs) - 1; last >= 0 && runs[last].to == page {
			runs[last].to += imagePage
		} else {
			runs = append(runs, run{page, page + imagePage})
		}
	}
	return runs, true
}

// populate makes pages that will be written, all in one go each run
// (madvise(2), MADV_POPULATE_WRITE, since Linux 5.14; without it they come when
// they are written).
func (s *space) populate(runs []run) {
	for _, r := range runs {
		if r.to > s.top || unix.Madvise(s.mapped[r.from:r.to], unix.MADV_POPULATE_WRITE) != nil {
			return
		}
	}
}

// newImageFile makes a file that has no name and lives in memory.
func newImageFile() (*os.File, error) {
	fd, err := unix.MemfdCreate("lambent-image", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	return os.NewFile(uintptr(fd), "lambent-image"), nil
}

// seal makes a file unchangeable, for whoever may get hold of it.
func seal(f *os.File) error {
	_, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_WRITE|unix.F_SEAL_SEAL)
	return os.NewSyscallError("fcntl(F_ADD_SEALS)", err)
}
