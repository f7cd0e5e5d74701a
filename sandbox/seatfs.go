package sandbox

import (
	"io/fs"

	sysfs "github.com/tetratelabs/wazero/experimental/sys"
	"github.com/tetratelabs/wazero/sys"
)

// seatFS is a mounted folder of a seat: that of the instance which sits there.
type seatFS struct {
	seat *seat
	of   func(*surroundings) sysfs.FS
}

// folder is what every operation goes through; it ends the guest at its deadline,
// because what the host does for a guest takes no fuel.
func (m *seatFS) folder() sysfs.FS {
	m.seat.sitter.call.checkpoint()
	return m.of(&m.seat.sitter.files)
}

// OpenFile opens a file of the instance. While the seat is made there is none,
// and the folder itself is opened, which wazero keeps for good.
func (m *seatFS) OpenFile(name string, flag sysfs.Oflag, perm fs.FileMode) (sysfs.File, sysfs.Errno) {
	if m.seat.view == nil {
		return &seatDir{File: unlisted, mounted: m}, 0
	}
	return m.folder().OpenFile(name, flag, perm)
}

// seatDir is a mounted folder itself, as a guest has it open from the start:
// that of whoever sits there.
type seatDir struct {
	sysfs.File // what it is listed by, once it is
	mounted    *seatFS
}

// IsDir says so.
func (*seatDir) IsDir() (bool, sysfs.Errno) { return true, 0 }

// Stat describes the instance's folder.
func (d *seatDir) Stat() (sys.Stat_t, sysfs.Errno) { return d.mounted.Stat(".") }

// Utimens sets the times of the instance's folder.
func (d *seatDir) Utimens(atim, mtim int64) sysfs.Errno { return d.mounted.Utimens(".", atim, mtim) }

// Ino is that of the instance's folder. Wazero asks for it before it lists and
// keeps it, and the names, so that the seat cannot be another instance's any more.
func (d *seatDir) Ino() (sys.Inode, sysfs.Errno) {
	d.mounted.seat.listed = true
	st, e := d.Stat()
	return st.Ino, e
}

// Readdir lists the folder.
func (d *seatDir) Readdir(n int) ([]sysfs.Dirent, sysfs.Errno) {
	if d.mounted.seat.listed = true; d.File == unlisted {
		f, e := d.mounted.folder().OpenFile(".", sysfs.O_RDONLY|sysfs.O_DIRECTORY, 0)
		if e != 0 {
			return nil, e
		}
		d.File = f
	}
	return d.File.Readdir(n)
}

// unlisted can do nothing.
var unlisted sysfs.File = sysfs.UnimplementedFile{}

// Lstat describes a link itself.
func (m *seatFS) Lstat(name string) (sys.Stat_t, sysfs.Errno) { return m.folder().Lstat(name) }

// Stat follows links that stay inside.
func (m *seatFS) Stat(name string) (sys.Stat_t, sysfs.Errno) { return m.folder().Stat(name) }

// Mkdir makes a folder.
func (m *seatFS) Mkdir(name string, perm fs.FileMode) sysfs.Errno {
	return m.folder().Mkdir(name, perm)
}

// Chmod changes permission bits.
func (m *seatFS) Chmod(name string, perm fs.FileMode) sysfs.Errno {
	return m.folder().Chmod(name, perm)
}

// Rename moves a file within the folder.
func (m *seatFS) Rename(from, to string) sysfs.Errno { return m.folder().Rename(from, to) }

// Rmdir removes an empty folder.
func (m *seatFS) Rmdir(name string) sysfs.Errno { return m.folder().Rmdir(name) }

// Unlink removes a file or a link.
func (m *seatFS) Unlink(name string) sysfs.Errno { return m.folder().Unlink(name) }

// Link makes a hard link within the folder.
func (m *seatFS) Link(from, to string) sysfs.Errno { return m.folder().Link(from, to) }

// Symlink makes a link to any text.
func (m *seatFS) Symlink(text, name string) sysfs.Errno { return m.folder().Symlink(text, name) }

// Readlink returns a link's text.
func (m *seatFS) Readlink(name string) (string, sysfs.Errno) { return m.folder().Readlink(name) }

// Utimens sets the times of a file, in nanoseconds.
func (m *seatFS) Utimens(name string, atim, mtim int64) sysfs.Errno {
	return m.folder().Utimens(name, atim, mtim)
}

// noFolder is a folder that an instance has not got: nothing is there, and
// nothing can be made.
type noFolder struct{ sysfs.UnimplementedFS }

// OpenFile finds nothing.
func (noFolder) OpenFile(string, sysfs.Oflag, fs.FileMode) (sysfs.File, sysfs.Errno) {
	return nil, sysfs.ENOENT
}

// Lstat finds nothing.
func (noFolder) Lstat(string) (sys.Stat_t, sysfs.Errno) { return sys.Stat_t{}, sysfs.ENOENT }

// Stat finds nothing.
func (noFolder) Stat(string) (sys.Stat_t, sysfs.Errno) { return sys.Stat_t{}, sysfs.ENOENT }
