// Package kernels is small programs that spend their time in one kind of work, in C
// and in Go, for measuring what engines and metering cost. They are built from the
// source beside this file, by clang and by the go command. Read next: c/kernels.c,
// then package metering, which runs them.
package kernels

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Kernel is one program: an exported function (n i32) -> i32 that does its work n
// times.
type Kernel struct {
	// Language is "c" or "go".
	Language string
	// Name is that of the export.
	Name string
	// Turns is the n that takes some ten milliseconds.
	Turns uint64
	// Extreme marks the worst case, which no program is made of: it is not part of
	// a mean.
	Extreme bool
}

// All are the kernels, in the order of a report.
var All = []Kernel{
	{"c", "json", 600, false}, {"c", "sha256", 300, false}, {"c", "sort", 30, false}, {"c", "matmul", 8, false},
	{"c", "nbody", 600, false}, {"c", "sieve", 40, false}, {"c", "regex", 60, false}, {"c", "fib", 200, false},
	{"go", "json", 500, false}, {"go", "sha256", 60, false}, {"go", "sort", 20, false}, {"go", "matmul", 4, false},
	{"go", "nbody", 200, false}, {"go", "sieve", 12, false}, {"go", "regex", 12, false}, {"go", "fib", 150, false},
	{"c", "loop", 30_000, true},
}

// ErrNoCompiler is returned, wrapped, where a language's compiler is missing or
// cannot make WebAssembly.
var ErrNoCompiler = errors.New("no compiler")

// Build compiles the kernels of a language. root is the checkout's folder.
func Build(ctx context.Context, root, language string) (wasm []byte, err error) {
	temp, err := os.MkdirTemp("", "lambent-kernels-")
	if err != nil {
		return nil, fmt.Errorf("build the kernels: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	out, source := filepath.Join(temp, "kernels.wasm"), filepath.Join(root, "bench", "kernels", language)
	switch language {
	case "c":
		if text, err := clang(ctx, out, os.DevNull); err != nil {
			return nil, fmt.Errorf("%w: the kernels in C need clang and lld (apt-get install clang lld): %w\n%s", ErrNoCompiler, err, text)
		}
		if text, err := clang(ctx, out, filepath.Join(source, "kernels.c")); err != nil {
			return nil, fmt.Errorf("build the kernels in C: %w\n%s", err, text)
		}
	case "go":
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-buildmode=c-shared", "-o", out, ".")
		cmd.Dir, cmd.Env = source, append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
		if text, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build the kernels in Go: %w\n%s", err, text)
		}
	default:
		return nil, fmt.Errorf("build the kernels: %q is not one of c, go", language)
	}
	return os.ReadFile(out)
}

func clang(ctx context.Context, out, file string) ([]byte, error) {
	return exec.CommandContext(ctx, "clang", "--target=wasm32-wasi", "-O2", "-Wall", "-Werror", "-fno-builtin", "-nostdlib",
		"-Wl,--no-entry", "-o", out, "-x", "c", file).CombinedOutput()
}
