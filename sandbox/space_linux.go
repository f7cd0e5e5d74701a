package sandbox

import (
	"os"

	"golang.org/x/sys/unix"
)

// mapNoReserve keeps reserved address space from counting as promised memory.
const mapNoReserve = unix.MAP_NORESERVE

// discard drops the pages that were written, so that what they cover can be seen
// again: a file mapped privately, zeros elsewhere (madvise(2), MADV_DONTNEED).
func discard(b []byte) bool { return unix.Madvise(b, unix.MADV_DONTNEED) == nil }

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
