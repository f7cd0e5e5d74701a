package snapshot

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// suffix ends the names of snapshot files.
const suffix = ".snapshot"

// files is what lies in the folder. It is safe for concurrent use.
type files struct {
	dir string
	max int64

	mu    sync.Mutex
	known map[Key]onDisk
	sum   int64
}

type onDisk struct {
	bytes int64
	used  time.Time
}

// openFiles reads the folder, makes it if it is not there, and removes what an
// earlier run has left half-written.
func openFiles(dir string, max int64) (*files, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	f := &files{dir: dir, max: max, known: map[Key]onDisk{}}
	for _, entry := range entries {
		k, ours := keyOfFile(entry.Name())
		if !ours {
			if err := os.RemoveAll(filepath.Join(dir, entry.Name())); err != nil {
				return nil, err
			}
			continue
		}
		info, err := entry.Info()
		if err != nil {
			return nil, err
		}
		f.known[k] = onDisk{bytes: allocated(info), used: info.ModTime()}
		f.sum += f.known[k].bytes
	}
	return f, f.makeRoom(Key{})
}

// keyOfFile reads a file's name.
func keyOfFile(name string) (Key, bool) {
	stem, ours := strings.CutSuffix(name, suffix)
	function, content, cut := strings.Cut(stem, "-")
	if !ours || !cut || !isHex(function, 16) || !isHex(content, 32) {
		return Key{}, false
	}
	return Key{function, content}, true
}

func isHex(s string, length int) bool {
	_, err := hex.DecodeString(s)
	return err == nil && len(s) == length && s == strings.ToLower(s)
}

func (f *files) path(k Key) string { return filepath.Join(f.dir, k.file()) }

// use returns where the file is, "" if there is none, and notes that it was used.
func (f *files) use(k Key) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	known, found := f.known[k]
	if !found {
		return ""
	}
	known.used = time.Now()
	f.known[k] = known
	// Which one was used least recently should outlive the host; if it does not,
	// another one goes first.
	_ = os.Chtimes(f.path(k), known.used, known.used)
	return f.path(k)
}

// saver is a snapshot that can be written.
type saver interface{ Save(path string) error }

// save writes a snapshot, and removes others if there is no room for it.
func (f *files) save(k Key, s saver) error {
	if err := s.Save(f.path(k)); err != nil {
		return err
	}
	info, err := os.Stat(f.path(k))
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sum += allocated(info) - f.known[k].bytes
	f.known[k] = onDisk{bytes: allocated(info), used: time.Now()}
	if f.known[k].bytes > f.max {
		return errors.Join(fmt.Errorf("it takes %d bytes, all snapshots may take %d", f.known[k].bytes, f.max), f.removeLocked(k))
	}
	return f.makeRoom(k)
}

// makeRoom removes files until the rest takes at most max bytes; keep is not
// removed. The caller holds the lock, or is alone.
func (f *files) makeRoom(keep Key) error {
	for f.sum > f.max {
		var oldest Key
		found := false
		for k, known := range f.known {
			if k != keep && (!found || known.used.Before(f.known[oldest].used)) {
				oldest, found = k, true
			}
		}
		if !found {
			return nil
		}
		if err := f.removeLocked(oldest); err != nil {
			return err
		}
	}
	return nil
}

// remove removes the file, if there is one.
func (f *files) remove(k Key) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.removeLocked(k)
}

func (f *files) removeLocked(k Key) error {
	if err := os.Remove(f.path(k)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f.sum -= f.known[k].bytes
	delete(f.known, k)
	return nil
}

// of lists the snapshots of a function, by its folded name.
func (f *files) of(function string) []Key {
	f.mu.Lock()
	defer f.mu.Unlock()
	var keys []Key
	for k := range f.known {
		if k.function == function {
			keys = append(keys, k)
		}
	}
	return keys
}

func (f *files) all() []Key {
	f.mu.Lock()
	defer f.mu.Unlock()
	keys := make([]Key, 0, len(f.known))
	for k := range f.known {
		keys = append(keys, k)
	}
	return keys
}

func (f *files) bytes() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sum
}

// allocated is what a file takes of the disk: of one with holes that is less than
// its length.
func allocated(info fs.FileInfo) int64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return stat.Blocks * 512
	}
	return info.Size()
}
