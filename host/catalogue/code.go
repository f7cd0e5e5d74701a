package catalogue

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/lambent-host/lambent/host/store"
)

// codeFiles is the folder of uploads. A file is named by the SHA-256 of its
// content in hex, so equal uploads are one file; it goes when the last
// reference goes. References are counted in memory: those of the stored
// functions, and a pin for each upload that is on its way into one.
type codeFiles struct {
	dir string

	mu   sync.Mutex
	refs map[string]int
}

var digestPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

// tempPrefix begins the names of files that are being written.
const tempPrefix = ".upload-"

// openCode prepares the folder: files that used does not name (an upload whose
// change was never stored, a deleted function's code) and unfinished ones are
// removed. Files that are not the catalogue's by name are left alone.
func openCode(dir string, used []string) (*codeFiles, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	cf := &codeFiles{dir: dir, refs: make(map[string]int)}
	for _, d := range used {
		cf.refs[d]++
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		ours := digestPattern.MatchString(e.Name()) && cf.refs[e.Name()] == 0
		if ours || strings.HasPrefix(e.Name(), tempPrefix) {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return nil, err
			}
		}
	}
	return cf, nil
}

// upload is code that is stored but belongs to no function yet.
type upload struct {
	sha256, digest string
	size           int64
}

func digestOf(code []byte) upload {
	sum := sha256.Sum256(code)
	return upload{
		sha256: base64.StdEncoding.EncodeToString(sum[:]),
		digest: hex.EncodeToString(sum[:]),
		size:   int64(len(code)),
	}
}

// put stores the code durably and pins it; release undoes the pin, and must be
// called once the code is referenced or given up.
func (cf *codeFiles) put(code []byte) (u upload, release func(), err error) {
	u = digestOf(code)
	cf.mu.Lock()
	cf.refs[u.digest]++
	cf.mu.Unlock()
	release = sync.OnceFunc(func() { cf.swap([]string{u.digest}, nil) })
	// A file that is there is whole: it got its name only after its content was synced.
	if info, err := os.Stat(cf.path(u.digest)); err == nil && info.Size() == u.size {
		return u, release, nil
	}
	if err := cf.write(u.digest, code); err != nil {
		release()
		return u, nil, fmt.Errorf("store code: %w", err)
	}
	return u, release, nil
}

func (cf *codeFiles) path(digest string) string { return filepath.Join(cf.dir, digest) }

func (cf *codeFiles) write(digest string, code []byte) (err error) {
	f, err := os.CreateTemp(cf.dir, tempPrefix)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // best effort: opening the catalogue removes it too
		}
	}()
	if _, err := f.Write(code); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Sync(); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), cf.path(digest)); err != nil {
		return err
	}
	return store.SyncDir(cf.dir)
}

// swap takes away the references in before, adds those in after, and removes
// the files nobody refers to any more. A file that cannot be removed now is
// removed when the catalogue is opened again.
func (cf *codeFiles) swap(before, after []string) {
	cf.mu.Lock()
	defer cf.mu.Unlock()
	for _, d := range after {
		cf.refs[d]++
	}
	for _, d := range before {
		if cf.refs[d]--; cf.refs[d] <= 0 {
			delete(cf.refs, d)
			_ = os.Remove(cf.path(d))
		}
	}
}

// read returns a stored upload after verifying it.
func (cf *codeFiles) read(digest string) ([]byte, error) {
	if !digestPattern.MatchString(digest) {
		return nil, fmt.Errorf("read code: %q is not a digest", digest)
	}
	b, err := os.ReadFile(cf.path(digest))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &NotFoundError{"code " + digest + " is not stored"}
	}
	if err != nil {
		return nil, fmt.Errorf("read code: %w", err)
	}
	if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != digest {
		return nil, fmt.Errorf("read code: file %s is damaged", cf.path(digest))
	}
	return b, nil
}
