// Package guests builds the handlers that scenarios of bench run: in Go, an
// ordinary aws-lambda-go handler, and in C. Both write one byte to their standard
// output when they are entered, which the host sees at once, and answer how often
// they have been called since their memory was made. Read next: package snapshots.
//
// Their event is false, or true to have them sleep inside for an hour. A third one,
// in C, does not come back, in one of several ways.
package guests

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/lambent-host/lambent/abi/gobuild"
)

// ErrNoCompiler is returned when a compiler is missing that is not Go's.
var ErrNoCompiler = errors.New("a compiler is missing")

// Stubborn is the guest that does not come back.
const Stubborn = "stubborn"

// Build builds the handler in a language, "go" or "c", or the guest [Stubborn],
// from the source below root, a checkout.
func Build(ctx context.Context, root, language string) (wasm []byte, err error) {
	temp, err := os.MkdirTemp("", "lambent-guests-")
	if err != nil {
		return nil, fmt.Errorf("build the handler: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	out, source := filepath.Join(temp, "handler.wasm"), filepath.Join(root, "bench", "guests")
	switch language {
	case "go":
		if _, err := gobuild.Build(ctx, gobuild.Options{Dir: filepath.Join(source, language), Out: out}); err != nil {
			return nil, fmt.Errorf("build the handler in Go: %w", err)
		}
	case "c", Stubborn:
		file := map[string]string{"c": "handler.c", Stubborn: "stubborn.c"}[language]
		include := "-I" + filepath.Join(root, "abi", "c")
		if text, err := clang(ctx, "-o", out, "-x", "c", "-include", "stdio.h", os.DevNull); err != nil {
			return nil, fmt.Errorf("%w: the handler in C needs clang, lld, wasi-libc and libclang-rt-14-dev-wasm32 (apt-get install): %w\n%s", ErrNoCompiler, err, text)
		}
		if text, err := clang(ctx, include, "-o", out, filepath.Join(source, "c", file)); err != nil {
			return nil, fmt.Errorf("build the handler in C: %w\n%s", err, text)
		}
	default:
		return nil, fmt.Errorf("build the handler: %q is not one of go, c, stubborn", language)
	}
	return os.ReadFile(out)
}

// clang runs the build line of abi/c/lambent.h.
func clang(ctx context.Context, args ...string) ([]byte, error) {
	args = append([]string{"--target=wasm32-wasi", "-O2", "-Wall", "-Wextra", "-Werror", "-mexec-model=reactor"}, args...)
	return exec.CommandContext(ctx, "clang", args...).CombinedOutput()
}
