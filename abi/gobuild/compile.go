package gobuild

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/lambent-host/lambent/abi"
)

// overlay collects files that the go command shall see at a place where they
// are not. The real files lie in dir.
type overlay struct {
	dir     string
	added   int
	replace map[string]string
}

func newOverlay(dir string) *overlay { return &overlay{dir: dir, replace: map[string]string{}} }

// add shows content at path.
func (o *overlay) add(path string, content []byte) error {
	o.added++
	file := filepath.Join(o.dir, "overlay-"+strconv.Itoa(o.added))
	o.replace[path] = file
	return os.WriteFile(file, content, 0o600)
}

// link shows an existing file at path too.
func (o *overlay) link(path, file string) { o.replace[path] = file }

// hide makes the file at path invisible.
func (o *overlay) hide(path string) { o.replace[path] = "" }

// write writes the file that -overlay takes and returns its name.
func (o *overlay) write() (string, error) {
	document, err := json.Marshal(map[string]any{"Replace": o.replace})
	if err != nil {
		return "", err
	}
	name := filepath.Join(o.dir, "overlay.json")
	return name, os.WriteFile(name, document, 0o600)
}

// module is where the go command puts the finished module.
func (b *builder) module() string { return filepath.Join(b.temp, "module.wasm") }

// compile runs the build proper. Paths and version control stay out of the
// module, so that it depends on the source alone.
func (b *builder) compile(ctx context.Context, files *overlay, reactor bool) error {
	args := append([]string{"build", "-trimpath", "-buildvcs=false", "-o", b.module()}, b.sharedFlags()...)
	if !b.KeepSymbols {
		args = append(args, "-ldflags=-s -w")
	}
	if reactor {
		args = append(args, "-buildmode=c-shared")
	}
	if files != nil {
		name, err := files.write()
		if err != nil {
			return fmt.Errorf("build: %w", err)
		}
		args = append(args, "-overlay="+name)
	}
	b.Progress("compiling for WebAssembly")
	if _, err := b.run(ctx, "the package does not compile", append(args, ".")...); err != nil {
		return err
	}
	if !reactor {
		return nil
	}
	// A seam that was not linked in, because of a -modfile in GOFLAGS for one,
	// would show at the first invocation only.
	module, err := os.ReadFile(b.module())
	if err != nil {
		return fmt.Errorf("build: %w", err)
	}
	if !bytes.Contains(module, []byte(abi.ExportInvoke)) {
		return &Error{b.dir, "not a function", "the module that was built does not export " + abi.ExportInvoke}
	}
	return nil
}

// install moves a finished file to its place. The place may be on another file
// system, so the file is copied beside it first and then renamed: a reader
// sees the old file or the new one.
func install(from, to string) (int64, error) {
	in, err := os.Open(from)
	if err != nil {
		return 0, fmt.Errorf("build: %w", err)
	}
	defer func() { _ = in.Close() }()
	out, err := os.CreateTemp(filepath.Dir(to), filepath.Base(to)+".*")
	if err != nil {
		return 0, fmt.Errorf("build: %w", err)
	}
	size, err := io.Copy(out, in)
	if err == nil {
		err = out.Chmod(0o644)
	}
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(out.Name(), to)
	}
	if err != nil {
		_ = os.Remove(out.Name())
		return 0, fmt.Errorf("build: writing %s: %w", to, err)
	}
	return size, nil
}
