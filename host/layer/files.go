package layer

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lambent-host/lambent/host/deployment"
	"github.com/lambent-host/lambent/host/store"
)

// files is the folder of the archives, DIGEST.zip, and of what is in them, DIGEST.
type files struct{ dir string }

// Names in the folder beside those.
const (
	archiveSuffix = ".zip"
	// unfinished begins what is being written, merged the trees of several layers;
	// both are removed when the store is opened.
	unfinished = ".unfinished-"
	merged     = "merged-"
)

// openFiles makes the folder and removes what no digest in used names.
func openFiles(dir string, used []string) (*files, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		if slices.Contains(used, strings.TrimSuffix(entry.Name(), archiveSuffix)) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, entry.Name())); err != nil {
			return nil, err
		}
	}
	return &files{dir: dir}, nil
}

// stored is an archive on disk.
type stored struct {
	sha256, digest string
	size, unpacked int64
}

func describe(archive []byte) stored {
	sum := sha256.Sum256(archive)
	return stored{sha256: base64.StdEncoding.EncodeToString(sum[:]), digest: hex.EncodeToString(sum[:]), size: int64(len(archive))}
}

// put stores the archive and unpacks it, both durably. The archive gets its name
// last: where it is, the tree is whole.
func (f *files) put(s stored, archive []byte) (stored, error) {
	tmp, err := os.MkdirTemp(f.dir, unfinished)
	if err != nil {
		return s, fmt.Errorf("store layer: %w", err)
	}
	defer func() { _ = os.RemoveAll(tmp) }() // best effort: opening the store removes it too
	tree := filepath.Join(tmp, "tree")
	if s.unpacked, err = deployment.Unpack(archive, tree); err != nil {
		return s, err
	}
	if _, err := os.Stat(f.archive(s.digest)); err == nil {
		return s, nil
	}
	if err := f.keep(s.digest, archive, tree, filepath.Join(tmp, "archive")); err != nil {
		return s, fmt.Errorf("store layer: %w", err)
	}
	return s, nil
}

func (f *files) keep(digest string, archive []byte, tree, tmp string) error {
	if err := os.RemoveAll(f.tree(digest)); err != nil { // of a time when the archive did not make it
		return err
	}
	if err := os.Rename(tree, f.tree(digest)); err != nil {
		return err
	}
	if err := writeSynced(tmp, archive); err != nil {
		return err
	}
	if err := os.Rename(tmp, f.archive(digest)); err != nil {
		return err
	}
	return store.SyncDir(f.dir)
}

func writeSynced(path string, content []byte) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err := file.Write(content); err != nil {
		return errors.Join(err, file.Close())
	}
	return errors.Join(file.Sync(), file.Close())
}

func (f *files) archive(digest string) string { return filepath.Join(f.dir, digest+archiveSuffix) }

// tree is where what is in the archive lies.
func (f *files) tree(digest string) string { return filepath.Join(f.dir, digest) }

// read returns an archive after verifying it.
func (f *files) read(digest string) ([]byte, error) {
	content, err := os.ReadFile(f.archive(digest))
	switch sum := sha256.Sum256(content); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &NotFoundError{"There is no such layer."}
	case err != nil:
		return nil, fmt.Errorf("read layer: %w", err)
	case hex.EncodeToString(sum[:]) != digest:
		return nil, fmt.Errorf("read layer: file %s is damaged", f.archive(digest))
	}
	return content, nil
}

// remove removes an archive and its tree; what cannot be removed now is when the
// store is opened again.
func (f *files) remove(digest string) {
	_ = os.Remove(f.archive(digest))
	_ = os.RemoveAll(f.tree(digest))
}
