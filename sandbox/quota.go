package sandbox

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"sync"

	sysfs "github.com/tetratelabs/wazero/experimental/sys"
)

// Limits of what a guest holds of the host's disk and tables.
const (
	// maxOpenFiles is how many files one instance can have open (Lambda quotas,
	// "File descriptors").
	maxOpenFiles = 1024
	// defaultTmpBytes is the size of /tmp unless told otherwise, Lambda's default.
	defaultTmpBytes = 512 << 20
	// entryBytes is what a name in /tmp counts, beside its content.
	entryBytes = 4 << 10
)

// WASI knows "no space left" and "too many open files", wazero's own errors do
// not: a guest is told of an I/O error.
const (
	errNoSpace = sysfs.EIO
	errTooMany = sysfs.EIO
)

// quota bounds what lies below /tmp. It counts what is added and not what goes:
// when the sum is over the limit and something went meanwhile, it looks.
type quota struct {
	root  *os.Root
	limit int64
	over  func() bool // the guest's time is over: do not go on looking

	mu    sync.Mutex
	used  int64 // at least what there is
	freed bool  // something may have gone since used was exact
	open  map[*rootFile]struct{}
}

func newQuota(root *os.Root, limit int64, over func() bool) *quota {
	if limit <= 0 {
		limit = defaultTmpBytes
	}
	q := &quota{root: root, limit: limit, over: func() bool { return false }, open: map[*rootFile]struct{}{}}
	q.measure() // an earlier instance may have left something
	q.over = over
	return q
}

// room takes up to n more bytes and returns how many; 0 and false, with nothing
// taken, when there are not even least.
func (q *quota) room(n, least int64) (int64, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if n > q.limit-q.used && q.freed {
		q.measure()
	}
	if n = max(0, min(n, q.limit-q.used)); n < least {
		return 0, false
	}
	q.used += n
	return n, true
}

// entry makes a new name with create, if there is room for it.
func (q *quota) entry(create func() error) sysfs.Errno {
	if _, ok := q.room(entryBytes, entryBytes); !ok {
		return errNoSpace
	}
	err := create()
	if err != nil {
		q.free()
	}
	return errno(err)
}

// free notes that something may have gone.
func (q *quota) free() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.freed = true
}

func (q *quota) opened(f *rootFile) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.open[f] = struct{}{}
}

func (q *quota) closed(f *rootFile) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.open, f)
	q.freed = true
}

// names are those in the folder itself.
func (q *quota) names() ([]string, error) {
	folder, err := q.root.Open(".")
	if err != nil {
		return nil, err
	}
	names, err := folder.Readdirnames(-1)
	return names, errors.Join(err, folder.Close())
}

// clear removes all that lies there.
func (q *quota) clear() error {
	names, err := q.names()
	for _, name := range names {
		err = errors.Join(err, q.root.RemoveAll(name))
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.used > 0 {
		q.measure()
	}
	return err
}

// lookEvery is how many names are looked at between two looks at the clock: a
// guest can make a hundred thousand of them.
const lookEvery = 256

// measure sums up what lies there, and what is open but has no name any more.
// What cannot be looked at counts as nothing. When the guest's time ends
// meanwhile, the old sum stands.
func (q *quota) measure() {
	var sum int64
	names := 0
	err := fs.WalkDir(q.root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if names++; names%lookEvery == 0 && q.over() {
			return context.DeadlineExceeded
		}
		if err != nil || name == "." {
			return nil //nolint:nilerr // look at the rest
		}
		sum += entryBytes
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			sum += info.Size()
		}
		return nil
	})
	if err != nil {
		return
	}
	for f := range q.open {
		info, err := f.os.Stat()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		if named, err := q.root.Stat(f.name); err != nil || !os.SameFile(info, named) {
			sum += info.Size()
		}
	}
	q.used, q.freed = sum, false
}

// openFiles counts the files that one instance has open, in all its folders.
type openFiles struct {
	check func() // ends the guest if its time is over; nil: nobody has one
	mu    sync.Mutex
	n     int
}

// checked is called before each piece that is read or written: one call of a guest
// can ask for millions of them.
func (o *openFiles) checked() {
	if o.check != nil {
		o.check()
	}
}

func (o *openFiles) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.n
}

// countedFS refuses to open more than maxOpenFiles.
type countedFS struct {
	sysfs.FS
	files *openFiles
}

// OpenFile opens a file as the file system does, if there may be one more.
func (c *countedFS) OpenFile(path string, flag sysfs.Oflag, perm fs.FileMode) (sysfs.File, sysfs.Errno) {
	c.files.mu.Lock()
	defer c.files.mu.Unlock()
	if c.files.n >= maxOpenFiles {
		return nil, errTooMany
	}
	f, e := c.FS.OpenFile(path, flag, perm)
	if e != 0 {
		return nil, e
	}
	c.files.n++
	return &countedFile{File: f, files: c.files}, 0
}

// countedFile gives its place back when it is closed.
type countedFile struct {
	sysfs.File
	files *openFiles
	once  sync.Once
}

// Read reads at the current position.
func (f *countedFile) Read(p []byte) (int, sysfs.Errno) {
	f.files.checked()
	return f.File.Read(p)
}

// Pread reads at a position.
func (f *countedFile) Pread(p []byte, off int64) (int, sysfs.Errno) {
	f.files.checked()
	return f.File.Pread(p, off)
}

// Write writes at the current position, or at the end.
func (f *countedFile) Write(p []byte) (int, sysfs.Errno) {
	f.files.checked()
	return f.File.Write(p)
}

// Pwrite writes at a position.
func (f *countedFile) Pwrite(p []byte, off int64) (int, sysfs.Errno) {
	f.files.checked()
	return f.File.Pwrite(p, off)
}

// Close closes the file.
func (f *countedFile) Close() sysfs.Errno {
	f.once.Do(func() {
		f.files.mu.Lock()
		defer f.files.mu.Unlock()
		f.files.n--
	})
	return f.File.Close()
}
