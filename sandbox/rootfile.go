package sandbox

import (
	"io"
	"os"

	sysfs "github.com/tetratelabs/wazero/experimental/sys"
)

// rootFile adds to wazero's view of an fs.File what a writable file needs. The
// times are set by the file's name, for want of a portable way by its handle.
type rootFile struct {
	sysfs.File
	os     *os.File
	root   *os.Root
	quota  *quota
	name   string
	append bool
}

// IsAppend tells whether writes go to the end.
func (f *rootFile) IsAppend() bool { return f.append }

// SetAppend makes writes go to the end, or no longer.
func (f *rootFile) SetAppend(enable bool) sysfs.Errno {
	f.append = enable
	return 0
}

// Write writes at the current position, or at the end: as much as there is room
// for, and an error when there is room for nothing.
func (f *rootFile) Write(p []byte) (int, sysfs.Errno) {
	whence := io.SeekCurrent
	if f.append {
		whence = io.SeekEnd
	}
	at, e := f.File.Seek(0, whence)
	if e != 0 {
		return 0, e
	}
	if p, e = f.fit(p, at); e != 0 {
		return 0, e
	}
	return f.wrote(f.File.Write(p))
}

// wrote has the quota look again after a write that failed or was short.
func (f *rootFile) wrote(n int, e sysfs.Errno) (int, sysfs.Errno) {
	if e != 0 {
		f.quota.free()
	}
	return n, e
}

// Pwrite writes at off, as Write.
func (f *rootFile) Pwrite(p []byte, off int64) (int, sysfs.Errno) {
	if off < 0 {
		return 0, sysfs.EINVAL
	}
	p, e := f.fit(p, off)
	if e != 0 {
		return 0, e
	}
	return f.wrote(f.File.Pwrite(p, off))
}

// fit returns as much of what is to be written at a position as the quota has
// room for.
func (f *rootFile) fit(p []byte, at int64) ([]byte, sysfs.Errno) {
	info, err := f.os.Stat()
	if err != nil {
		return nil, errno(err)
	}
	over := at + int64(len(p)) - info.Size()
	if over < 0 {
		if at+int64(len(p)) < at { // past the end of numbers
			return nil, sysfs.EINVAL
		}
		return p, 0
	}
	lacking := over - int64(len(p)) // a gap is filled before the first byte
	room, ok := f.quota.room(over, min(over, max(0, lacking)+1))
	if !ok {
		return nil, errNoSpace
	}
	return p[:int64(len(p))-(over-room)], 0
}

// Truncate sets the length.
func (f *rootFile) Truncate(size int64) sysfs.Errno {
	if size < 0 {
		return sysfs.EINVAL
	}
	info, err := f.os.Stat()
	if err != nil {
		return errno(err)
	}
	if over := size - info.Size(); over <= 0 {
		defer f.quota.free()
	} else if _, ok := f.quota.room(over, over); !ok {
		return errNoSpace
	}
	return errno(f.os.Truncate(size))
}

// Close closes the file.
func (f *rootFile) Close() sysfs.Errno {
	defer f.quota.closed(f)
	return f.File.Close()
}

// Sync does nothing: /tmp does not outlive its environment.
func (f *rootFile) Sync() sysfs.Errno { return 0 }

// Datasync does nothing, as Sync.
func (f *rootFile) Datasync() sysfs.Errno { return 0 }

// Utimens sets the times, in nanoseconds.
func (f *rootFile) Utimens(atim, mtim int64) sysfs.Errno {
	return setTimes(f.root, f.name, atim, mtim)
}
