package publishing

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/lambent-host/lambent/abi/gobuild"
	"github.com/lambent-host/lambent/bench/interpreters"
	"github.com/lambent-host/lambent/bench/kernels"
	"github.com/lambent-host/lambent/bench/measure"
)

// load builds or fetches a module.
func load(ctx context.Context, name string) ([]byte, error) {
	switch name {
	case "cpython":
		return interpreters.CPython.Fetch(ctx)
	case "ruby":
		return interpreters.Ruby.Fetch(ctx)
	}
	root, err := measure.Checkout(ctx)
	if err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp("", "lambent-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(work) }()
	out := filepath.Join(work, "module.wasm")
	if name == "c" {
		err = buildC(ctx, filepath.Join(root, "bench", "kernels", "c"), out)
	} else {
		_, err = gobuild.Build(ctx, gobuild.Options{Dir: filepath.Join(root, "functions", "json"), Out: out})
	}
	if err != nil {
		return nil, err
	}
	return os.ReadFile(out)
}

// buildC makes a command of the kernels in C.
func buildC(ctx context.Context, dir, out string) error {
	cmd := exec.CommandContext(ctx, "clang", "--target=wasm32-wasi", "-O2", "-fno-builtin", "-nostdlib", "-I"+dir, "-o", out, "-x", "c", "-")
	cmd.Stdin = strings.NewReader("#include \"kernels.c\"\nvoid _start(void) {}\n")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: the module in C needs clang and lld (apt-get install clang lld): %w\n%s", kernels.ErrNoCompiler, err, text)
	}
	return nil
}

// another returns the same module with a section that makes it another one.
func another(wasm []byte, n uint64) []byte {
	name := binary.AppendUvarint([]byte("\x05bench"), n)
	return append(append(append([]byte(nil), wasm...), 0, byte(len(name))), name...)
}
