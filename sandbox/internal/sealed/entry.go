package sealed

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Entry is one sealed folder in use. Release it.
type Entry struct {
	dir      string
	manifest manifest
	// Release ends the use; further calls do nothing.
	Release func()
}

// Get opens an entry and checks its manifest, but no file yet. Errors: [ErrNone],
// *[DamageError]. While the entry is in use, [Folder.Trim] keeps it.
func (f *Folder) Get(name string) (*Entry, error) {
	release := f.use(name)
	e, err := f.open(name)
	if err != nil {
		release()
		return nil, err
	}
	e.Release = release
	now := time.Now()
	_ = os.Chtimes(filepath.Join(e.dir, manifestName), now, now) // for Trim, and worth no failure
	return e, nil
}

func (f *Folder) open(name string) (*Entry, error) {
	e := &Entry{dir: filepath.Join(f.dir, name)}
	file, err := os.Open(filepath.Join(e.dir, manifestName))
	if errors.Is(err, fs.ErrNotExist) {
		if _, serr := os.Lstat(e.dir); errors.Is(serr, fs.ErrNotExist) {
			return nil, ErrNone
		}
		return nil, &DamageError{name, "it has no manifest"}
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, maxManifest))
	if err != nil {
		return nil, err
	}
	if e.manifest, err = openManifest(data, f.key, name); err != nil {
		return nil, &DamageError{name, err.Error()}
	}
	return e, nil
}

func (f *Folder) use(name string) (release func()) {
	f.mu.Lock()
	f.uses[name]++
	f.mu.Unlock()
	return sync.OnceFunc(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.uses[name]--; f.uses[name] == 0 {
			delete(f.uses, name)
		}
	})
}

// Meta is what the entry was put with.
func (e *Entry) Meta() []byte { return e.manifest.Meta }

// Dir is the entry's folder.
func (e *Entry) Dir() string { return e.dir }

// Read returns a file's content, checked.
func (e *Entry) Read(file string) ([]byte, error) {
	var buf bytes.Buffer
	err := e.read(file, &buf)
	return buf.Bytes(), err
}

// Check reads the files except for those named, and checks them, and that there
// is no other.
func (e *Entry) Check(except ...string) error {
	for file := range e.manifest.Files {
		if slices.Contains(except, file) {
			continue
		}
		if err := e.read(file, nil); err != nil {
			return err
		}
	}
	return filepath.WalkDir(e.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		relative, err := filepath.Rel(e.dir, path)
		if _, known := e.manifest.Files[filepath.ToSlash(relative)]; err == nil && !known && relative != manifestName {
			return &DamageError{e.manifest.Name, fmt.Sprintf("%.120q does not belong to it", relative)}
		}
		return err
	})
}

// read checks a file; into gets what it holds, unless it is nil.
func (e *Entry) read(name string, into *bytes.Buffer) error {
	damaged := func(reason string) error {
		return &DamageError{e.manifest.Name, fmt.Sprintf("file %.120q %s", name, reason)}
	}
	want, ok := e.manifest.Files[name]
	if !ok {
		return damaged("is not in its manifest")
	}
	path := filepath.Join(e.dir, filepath.FromSlash(name))
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() || info.Size() != want.Size {
		return damaged("is missing or has another size")
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	content := io.LimitReader(file, want.Size)
	if into != nil {
		into.Grow(int(want.Size) + bytes.MinRead)
		content = io.TeeReader(content, into)
	}
	got, err := digestOf(content)
	if err != nil {
		return err
	}
	if got != want {
		return damaged("has another content")
	}
	return nil
}

// Trim removes entries that nobody uses, those used longest ago first, until
// the rest has no more than the folder's bound, and returns how many it removed.
func (f *Folder) Trim() (removed int, err error) {
	type used struct {
		name  string
		at    time.Time
		bytes int64
	}
	names, err := f.names()
	if err != nil {
		return 0, err
	}
	var entries []used
	var total int64
	for _, name := range names {
		u := used{name: name}
		if info, err := os.Stat(filepath.Join(f.dir, name, manifestName)); err == nil {
			u.at = info.ModTime()
		}
		u.bytes = sizeOf(filepath.Join(f.dir, name))
		total += u.bytes
		entries = append(entries, u)
	}
	slices.SortFunc(entries, func(a, b used) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.name, b.name)) })
	var errs []error
	for _, u := range entries {
		if total <= f.max {
			break
		}
		f.mu.Lock()
		inUse := f.uses[u.name] > 0
		f.mu.Unlock()
		if inUse {
			continue
		}
		if err := f.Remove(u.name); err != nil {
			errs = append(errs, err)
			continue
		}
		total -= u.bytes
		removed++
	}
	return removed, errors.Join(errs...)
}

// sizeOf adds up a folder; what disappears meanwhile has no size.
func sizeOf(dir string) (bytes int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, ierr := d.Info(); ierr == nil {
				bytes += info.Size()
			}
		}
		return nil
	})
	return bytes
}
