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

// Write writes at the current position, or at the end.
func (f *rootFile) Write(p []byte) (int, sysfs.Errno) {
	if f.append {
		if _, e := f.File.Seek(0, io.SeekEnd); e != 0 {
			return 0, e
		}
	}
	return f.File.Write(p)
}

// Truncate sets the length.
func (f *rootFile) Truncate(size int64) sysfs.Errno {
	if size < 0 {
		return sysfs.EINVAL
	}
	return errno(f.os.Truncate(size))
}

// Sync does nothing: /tmp does not outlive its environment.
func (f *rootFile) Sync() sysfs.Errno { return 0 }

// Datasync does nothing, as Sync.
func (f *rootFile) Datasync() sysfs.Errno { return 0 }

// Utimens sets the times, in nanoseconds.
func (f *rootFile) Utimens(atim, mtim int64) sysfs.Errno {
	return setTimes(f.root, f.name, atim, mtim)
}
