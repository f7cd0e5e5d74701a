package layer

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// trees hands out the folders that functions see as /opt, and counts who uses them.
type trees struct {
	files *files

	mu    sync.Mutex
	known map[string]*tree // by the digests, in order
}

// tree is the folder of one or several layers.
type tree struct {
	path    string
	digests []string
	users   int
	dropped bool // to be removed when nobody uses it any more
}

func newTrees(f *files) *trees { return &trees{files: f, known: map[string]*tree{}} }

// Lease returns the folder that a function with these layers sees as /opt; it must
// not be changed. Call release when no environment uses it any more. A function
// without layers gets "".
func (s *Store) Lease(arns []string) (dir string, release func(), err error) {
	if len(arns) == 0 {
		return "", func() {}, nil
	}
	digests := make([]string, 0, len(arns))
	for _, arn := range arns {
		v, ok := s.ByARN(arn)
		if !ok {
			return "", nil, fmt.Errorf("layer %s is gone", arn)
		}
		digests = append(digests, v.Digest)
	}
	t, err := s.trees.lease(digests)
	if err != nil {
		return "", nil, fmt.Errorf("lay out layers: %w", err)
	}
	return t.path, sync.OnceFunc(func() { s.trees.release(t) }), nil
}

func (ts *trees) lease(digests []string) (*tree, error) {
	key := strings.Join(digests, " ")
	ts.mu.Lock()
	defer ts.mu.Unlock()
	t := ts.known[key]
	if t == nil {
		t = &tree{digests: digests, path: ts.files.tree(digests[0])}
		if len(digests) > 1 {
			t.path = filepath.Join(ts.files.dir, fmt.Sprintf("%s%x", merged, sha256.Sum256([]byte(key))))
			if err := ts.merge(t); err != nil {
				return nil, err
			}
		}
		ts.known[key] = t
	}
	t.users++
	return t, nil
}

func (ts *trees) release(t *tree) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if t.users--; t.users == 0 && t.dropped {
		ts.remove(t)
	}
}

// drop removes the files of a layer, and what was merged of it, once nobody uses
// them.
func (ts *trees) drop(digest string) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	used := false
	for _, t := range ts.known {
		if !slices.Contains(t.digests, digest) {
			continue
		}
		if t.dropped = true; t.users == 0 {
			ts.remove(t)
			continue
		}
		used = used || len(t.digests) == 1
	}
	if !used {
		ts.files.remove(digest)
	}
}

// revive takes back that a layer was dropped, for a version that has the same again.
func (ts *trees) revive(digest string) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for _, t := range ts.known {
		if slices.Contains(t.digests, digest) {
			t.dropped = false
		}
	}
}

// remove is called with the lock.
func (ts *trees) remove(t *tree) {
	delete(ts.known, strings.Join(t.digests, " "))
	if len(t.digests) == 1 {
		ts.files.remove(t.digests[0])
		return
	}
	_ = os.RemoveAll(t.path) // what is left is removed when the store is opened again
}

// merge makes a tree of several: of two files of one name the later one is there.
// Files are links to those of the layers and take no space.
func (ts *trees) merge(t *tree) error {
	tmp, err := os.MkdirTemp(ts.files.dir, unfinished)
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	if err := os.Chmod(tmp, 0o755); err != nil { //nolint:gosec // as /opt is
		return err
	}
	for _, digest := range t.digests {
		if err := overlay(ts.files.tree(digest), tmp); err != nil {
			return err
		}
	}
	return os.Rename(tmp, t.path)
}

// overlay puts every file of one tree into another.
func overlay(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == from {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, name)
		there, err := os.Lstat(target)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		case entry.IsDir() && there.IsDir():
			return nil
		default: // a file in place of a folder, or the other way round, too
			if err := os.RemoveAll(target); err != nil {
				return err
			}
		}
		if entry.IsDir() {
			return os.Mkdir(target, 0o755) //nolint:gosec // as /opt is
		}
		return os.Link(path, target)
	})
}
