package sandbox

import (
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	sysfs "github.com/tetratelabs/wazero/experimental/sys"
	adapt "github.com/tetratelabs/wazero/experimental/sysfs"
	"github.com/tetratelabs/wazero/sys"
)

// rootFS is a writable folder of the host that nothing leads out of: every path
// is resolved by os.Root, which refuses "..", absolute paths and links that end
// outside, also when they are made while it looks.
type rootFS struct {
	adapt.AdaptFS // read-only operations, by way of root.FS
	root          *os.Root
	quota         *quota
}

// newRootFS serves a folder that may hold limit bytes; 0: defaultTmpBytes. over
// tells, during a call, that the guest's time has ended.
func newRootFS(root *os.Root, limit int64, over func() bool) *rootFS {
	return &rootFS{AdaptFS: adapt.AdaptFS{FS: root.FS()}, root: root, quota: newQuota(root, limit, over)}
}

// local turns a guest's path into one that os.Root takes.
func local(name string) string {
	return path.Clean(strings.TrimPrefix(name, "/"))
}

func errno(err error) sysfs.Errno { return sysfs.UnwrapOSError(err) }

// opener is a file system whose Open opens with the flags of one call, so that
// the adapter of wazero makes its file from it.
type opener struct {
	root *os.Root
	flag int
	perm fs.FileMode
	file *os.File // what was opened
}

// Open opens the file for the one call that this opener is for.
func (o *opener) Open(name string) (fs.File, error) {
	f, err := o.root.OpenFile(name, o.flag, o.perm)
	if err != nil {
		return nil, err
	}
	o.file = f
	return f, nil
}

// OpenFile opens or creates a file.
func (r *rootFS) OpenFile(name string, flag sysfs.Oflag, perm fs.FileMode) (sysfs.File, sysfs.Errno) {
	name = local(name)
	if flag&(sysfs.O_DIRECTORY|sysfs.O_NOFOLLOW) != 0 {
		st, err := r.root.Lstat(name)
		switch {
		case err != nil && flag&sysfs.O_CREAT == 0:
			return nil, errno(err)
		case err == nil && flag&sysfs.O_NOFOLLOW != 0 && st.Mode()&fs.ModeSymlink != 0:
			return nil, sysfs.ELOOP
		}
	}
	if flag&sysfs.O_CREAT != 0 {
		if _, err := r.root.Lstat(name); err != nil {
			if _, ok := r.quota.room(entryBytes, entryBytes); !ok {
				return nil, errNoSpace
			}
		}
	}
	if flag&sysfs.O_TRUNC != 0 {
		defer r.quota.free()
	}
	o := &opener{root: r.root, flag: osFlags(flag), perm: perm & 0o777}
	f, e := (&adapt.AdaptFS{FS: o}).OpenFile(name, flag, perm)
	if e != 0 {
		r.quota.free()
		return nil, e
	}
	if dir, e := f.IsDir(); e == 0 && !dir && flag&sysfs.O_DIRECTORY != 0 {
		_ = f.Close() // only opened
		return nil, sysfs.ENOTDIR
	}
	file := &rootFile{File: f, os: o.file, root: r.root, quota: r.quota, name: name, append: flag&sysfs.O_APPEND != 0}
	r.quota.opened(file)
	return file, 0
}

func osFlags(flag sysfs.Oflag) int {
	f := os.O_RDONLY
	switch flag & (sysfs.O_RDONLY | sysfs.O_RDWR | sysfs.O_WRONLY) {
	case sysfs.O_RDWR:
		f = os.O_RDWR
	case sysfs.O_WRONLY:
		f = os.O_WRONLY
	}
	for from, to := range map[sysfs.Oflag]int{sysfs.O_APPEND: os.O_APPEND, sysfs.O_CREAT: os.O_CREATE,
		sysfs.O_EXCL: os.O_EXCL, sysfs.O_SYNC: os.O_SYNC, sysfs.O_TRUNC: os.O_TRUNC} {
		if flag&from != 0 {
			f |= to
		}
	}
	return f
}

// Stat follows links that stay inside.
func (r *rootFS) Stat(name string) (sys.Stat_t, sysfs.Errno) {
	st, err := r.root.Stat(local(name))
	if err != nil {
		return sys.Stat_t{}, errno(err)
	}
	return sys.NewStat_t(st), 0
}

// Lstat describes a link itself.
func (r *rootFS) Lstat(name string) (sys.Stat_t, sysfs.Errno) {
	st, err := r.root.Lstat(local(name))
	if err != nil {
		return sys.Stat_t{}, errno(err)
	}
	return sys.NewStat_t(st), 0
}

// Mkdir makes a folder.
func (r *rootFS) Mkdir(name string, perm fs.FileMode) sysfs.Errno {
	return r.quota.entry(func() error { return r.root.Mkdir(local(name), perm&0o777) })
}

// Chmod changes permission bits.
func (r *rootFS) Chmod(name string, perm fs.FileMode) sysfs.Errno {
	return errno(r.root.Chmod(local(name), perm&0o777))
}

// Rename moves a file within the folder.
func (r *rootFS) Rename(from, to string) sysfs.Errno {
	defer r.quota.free()
	return errno(r.root.Rename(local(from), local(to)))
}

// Rmdir removes an empty folder.
func (r *rootFS) Rmdir(name string) sysfs.Errno {
	defer r.quota.free()
	name = local(name)
	st, err := r.root.Lstat(name)
	if err != nil {
		return errno(err)
	}
	if !st.IsDir() {
		return sysfs.ENOTDIR
	}
	return errno(r.root.Remove(name))
}

// Unlink removes a file or a link.
func (r *rootFS) Unlink(name string) sysfs.Errno {
	defer r.quota.free()
	name = local(name)
	st, err := r.root.Lstat(name)
	if err != nil {
		return errno(err)
	}
	if st.IsDir() {
		return sysfs.EISDIR
	}
	return errno(r.root.Remove(name))
}

// Link makes a hard link within the folder.
func (r *rootFS) Link(from, to string) sysfs.Errno {
	return r.quota.entry(func() error { return r.root.Link(local(from), local(to)) })
}

// Symlink makes a link to any text; following it out of the folder fails.
func (r *rootFS) Symlink(text, name string) sysfs.Errno {
	return r.quota.entry(func() error { return r.root.Symlink(text, local(name)) })
}

// Readlink returns a link's text.
func (r *rootFS) Readlink(name string) (string, sysfs.Errno) {
	text, err := r.root.Readlink(local(name))
	return text, errno(err)
}

// Utimens sets the times of a file, in nanoseconds; sysfs.UTIME_OMIT leaves one.
func (r *rootFS) Utimens(name string, atim, mtim int64) sysfs.Errno {
	return setTimes(r.root, local(name), atim, mtim)
}

func setTimes(root *os.Root, name string, atim, mtim int64) sysfs.Errno {
	return errno(root.Chtimes(name, fileTime(atim), fileTime(mtim)))
}

// fileTime is the zero time, which changes nothing, for UTIME_OMIT.
func fileTime(ns int64) time.Time {
	if ns == sysfs.UTIME_OMIT {
		return time.Time{}
	}
	return time.Unix(0, ns)
}
