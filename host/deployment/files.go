package deployment

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"sync"
)

// files is the archive as a file system. Folders are those of archive/zip; a
// regular file is unpacked as it is read, and whole into memory only when
// somebody seeks in it, which a stream of deflate cannot do. Whoever has the
// file open then shares that one copy: a guest can open a file as often as it
// likes, and what it costs is the host's memory, not the guest's.
type files struct {
	mu      sync.Mutex // zip.Reader builds its tree on first use; keep that single
	archive *zip.Reader
	loaded  map[string]*content // in use, by name; under mu
}

// content is a file that was unpacked into memory.
type content struct {
	users  int // under files.mu
	unpack func() ([]byte, error)
}

func newFiles(archive *zip.Reader) *files {
	return &files{archive: archive, loaded: map[string]*content{}}
}

// share returns the content of a file, unpacked by the first who asks. Each call
// needs one of unshare.
func (fsys *files) share(name string, size int64) ([]byte, error) {
	fsys.mu.Lock()
	c := fsys.loaded[name]
	if c == nil {
		c = &content{unpack: sync.OnceValues(func() ([]byte, error) { return fsys.unpack(name, size) })}
		fsys.loaded[name] = c
	}
	c.users++
	fsys.mu.Unlock()
	data, err := c.unpack()
	if err != nil {
		fsys.unshare(name)
	}
	return data, err
}

// unshare lets the content go when nobody has it open any more.
func (fsys *files) unshare(name string) {
	fsys.mu.Lock()
	defer fsys.mu.Unlock()
	c := fsys.loaded[name]
	if c.users--; c.users == 0 {
		delete(fsys.loaded, name)
	}
}

func (fsys *files) unpack(name string, size int64) ([]byte, error) {
	whole, err := fsys.stream(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = whole.Close() }() // only read
	data, err := io.ReadAll(io.LimitReader(whole, size+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) != size {
		return nil, errSize
	}
	return data, nil
}

// Open implements fs.FS.
func (fsys *files) Open(name string) (fs.File, error) {
	f, err := fsys.stream(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil || info.IsDir() {
		return f, err
	}
	return &file{fsys: fsys, name: name, info: info, stream: f}, nil
}

func (fsys *files) stream(name string) (fs.File, error) {
	fsys.mu.Lock()
	defer fsys.mu.Unlock()
	return fsys.archive.Open(name)
}

var errSize = errors.New("file is not as long as the archive says")

// file reads the stream until the first seek, the loaded content afterwards.
type file struct {
	fsys   *files
	name   string
	info   fs.FileInfo
	stream fs.File
	read   int64 // bytes taken from the stream

	mu     sync.Mutex
	loaded *bytes.Reader
	closed bool
}

// Stat implements fs.File.
func (f *file) Stat() (fs.FileInfo, error) { return f.info, nil }

// Read implements fs.File.
func (f *file) Read(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return 0, f.fail("read", fs.ErrClosed)
	}
	if f.loaded != nil {
		return f.loaded.Read(p)
	}
	// The stated size was counted against the limit, so it is the limit.
	left := f.info.Size() - f.read
	if left <= 0 {
		return 0, f.finish(p)
	}
	n, err := f.stream.Read(p[:min(int64(len(p)), left)])
	f.read += int64(n)
	if errors.Is(err, io.EOF) && f.read < f.info.Size() {
		err = io.ErrUnexpectedEOF
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = f.fail("read", err)
	}
	return n, err
}

// finish asks the stream for its end, where the checksum is verified.
func (f *file) finish(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	n, err := f.stream.Read(make([]byte, 1))
	switch {
	case n > 0:
		return f.fail("read", errSize)
	case err == nil, errors.Is(err, io.EOF):
		return io.EOF
	}
	return f.fail("read", err)
}

// Seek implements io.Seeker.
func (f *file) Seek(offset int64, whence int) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.load(); err != nil {
		return 0, f.fail("seek", err)
	}
	return f.loaded.Seek(offset, whence)
}

// ReadAt implements io.ReaderAt.
func (f *file) ReadAt(p []byte, off int64) (int, error) {
	f.mu.Lock()
	if err := f.load(); err != nil {
		f.mu.Unlock()
		return 0, f.fail("read", err)
	}
	loaded := f.loaded
	f.mu.Unlock()
	return loaded.ReadAt(p, off)
}

func (f *file) load() error {
	if f.closed {
		return fs.ErrClosed
	}
	if f.loaded != nil {
		return nil
	}
	data, err := f.fsys.share(f.name, f.info.Size())
	if err != nil {
		return err
	}
	f.loaded = bytes.NewReader(data)
	_, err = f.loaded.Seek(f.read, io.SeekStart)
	return err
}

// Close implements fs.File.
func (f *file) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return f.fail("close", fs.ErrClosed)
	}
	f.closed = true
	if f.loaded != nil {
		f.loaded = nil
		f.fsys.unshare(f.name)
	}
	return f.stream.Close()
}

func (f *file) fail(op string, err error) error {
	return &fs.PathError{Op: op, Path: f.name, Err: err}
}
