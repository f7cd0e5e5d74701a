// Package sealed keeps folders of files that are written once and must be found
// as they were left: machine code above all, because whoever could change it would
// run in the host. An [Entry] is a folder with a manifest: the SHA-256 of each
// file, and over it a MAC under a key that is kept elsewhere. An entry appears
// whole, by a rename, or not at all.
//
// What is checked is what was found on disk by the time of the check. Who can
// write to the folder while the host reads from it is not kept out; who could
// before is.
//
// The package starts no goroutine. Read next: package sandbox, prepare.go, for
// what is kept this way.
package sealed

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	manifestName = "manifest"
	// scratchPrefix begins the name of a folder that is being made or removed.
	scratchPrefix = "scratch-"
	// scratchAge is after how long such a folder is taken for a dead process's.
	scratchAge = time.Hour
)

// ErrNone is returned when there is no entry of a name.
var ErrNone = errors.New("no such entry")

// DamageError tells that an entry is not as it was left.
type DamageError struct {
	// Name is the entry's, Reason one lower-case clause.
	Name, Reason string
}

// Error names the entry and what is wrong with it.
func (e *DamageError) Error() string { return fmt.Sprintf("entry %s is damaged: %s", e.Name, e.Reason) }

// Folder is a folder of entries. Safe for concurrent use; several processes may
// use one. Entries made under another key are damage.
type Folder struct {
	dir string
	key []byte
	max int64

	mu   sync.Mutex
	uses map[string]int // of entries, by name
}

// Open makes the folder if need be. maxBytes bounds it, see [Folder.Trim].
func Open(dir string, key []byte, maxBytes int64) (*Folder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	f := &Folder{dir: dir, key: key, max: maxBytes, uses: map[string]int{}}
	f.sweep(time.Now().Add(-scratchAge))
	return f, nil
}

// sweep removes what a process that died has left half made. What cannot be
// removed is tried again next time.
func (f *Folder) sweep(before time.Time) {
	left, _ := filepath.Glob(filepath.Join(f.dir, scratchPrefix+"*"))
	for _, path := range left {
		if info, err := os.Lstat(path); err == nil && info.ModTime().Before(before) {
			_ = os.RemoveAll(path)
		}
	}
}

// Scratch makes an empty folder to write an entry's files in, for [Folder.Put].
// The caller removes it when it is not put.
func (f *Folder) Scratch() (string, error) { return os.MkdirTemp(f.dir, scratchPrefix) }

// Put seals the files of a scratch folder, writes all of it to disk and gives it
// its name. If there is an entry of that name by then, it is kept and the scratch
// folder removed. Only regular files and folders can be put.
func (f *Folder) Put(name, scratch string, meta []byte) error {
	m := manifest{Version: formVersion, Name: name, Files: map[string]digest{}, Meta: meta}
	err := filepath.WalkDir(scratch, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if !d.Type().IsRegular() {
			return fmt.Errorf("%s is not a file", path)
		}
		relative, err := filepath.Rel(scratch, path)
		if err != nil {
			return err
		}
		m.Files[filepath.ToSlash(relative)], err = settle(path)
		return err
	})
	if err != nil {
		return fmt.Errorf("sealing an entry: %w", err)
	}
	data, err := m.seal(f.key)
	if err != nil {
		return err
	}
	if err := writeSynced(filepath.Join(scratch, manifestName), data); err != nil {
		return fmt.Errorf("sealing an entry: %w", err)
	}
	return f.move(name, scratch)
}

func (f *Folder) move(name, scratch string) error {
	err := filepath.WalkDir(scratch, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		return syncDir(path)
	})
	if err != nil {
		return fmt.Errorf("sealing an entry: %w", err)
	}
	if err := os.Rename(scratch, filepath.Join(f.dir, name)); err != nil {
		if _, serr := os.Stat(filepath.Join(f.dir, name, manifestName)); serr == nil {
			return os.RemoveAll(scratch) // somebody was faster
		}
		return fmt.Errorf("sealing an entry: %w", err)
	}
	return syncDir(f.dir)
}

// settle writes a file to disk and returns its digest.
func settle(path string) (digest, error) {
	file, err := os.Open(path)
	if err != nil {
		return digest{}, err
	}
	defer func() { _ = file.Close() }()
	if err := file.Sync(); err != nil {
		return digest{}, err
	}
	return digestOf(file)
}

func digestOf(r io.Reader) (digest, error) {
	h := sha256.New()
	n, err := io.Copy(h, r)
	return digest{Size: n, SHA256: hex.EncodeToString(h.Sum(nil))}, err
}

func writeSynced(path string, data []byte) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	return errors.Join(err, file.Sync(), file.Close())
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Remove deletes an entry, whether or not it is in use; it is gone at once for
// those who come later.
func (f *Folder) Remove(name string) error {
	away, err := f.Scratch()
	if err != nil {
		return err
	}
	err = os.Rename(filepath.Join(f.dir, name), filepath.Join(away, "entry"))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, os.RemoveAll(away))
}

// names lists the entries.
func (f *Folder) names() ([]string, error) {
	found, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, d := range found {
		if d.IsDir() && !strings.HasPrefix(d.Name(), scratchPrefix) {
			names = append(names, d.Name())
		}
	}
	return names, nil
}
