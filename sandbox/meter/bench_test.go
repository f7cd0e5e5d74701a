package meter_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/lambent-host/lambent/sandbox/meter"
)

// How fast metered code runs is measured by bench/metering; here is what rewriting
// costs.

// kernels are those in Go.
var kernels = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "lambent-kernels-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "kernels.wasm")
	cmd := exec.Command("go", "build", "-o", out, "-buildmode=c-shared", "../../bench/kernels/go")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, text)
	}
	return os.ReadFile(out)
})

// cKernels skips where there is no clang with a linker for WebAssembly.
func cKernels(tb testing.TB) []byte {
	tb.Helper()
	out := filepath.Join(tb.TempDir(), "kernels.wasm")
	clang := func(file string) ([]byte, error) {
		return exec.Command("clang", "--target=wasm32-wasi", "-O2", "-Wall", "-Werror", "-fno-builtin", "-nostdlib",
			"-Wl,--no-entry", "-o", out, "-x", "c", file).CombinedOutput()
	}
	if text, err := clang(os.DevNull); err != nil {
		tb.Skipf("SKIPPED: the C kernels need clang and lld (apt-get install): %v\n%s", err, text)
	}
	if text, err := clang("../../bench/kernels/c/kernels.c"); err != nil {
		tb.Fatalf("%v\n%s", err, text)
	}
	wasm, err := os.ReadFile(out)
	if err != nil {
		tb.Fatal(err)
	}
	return wasm
}

// kernelNames are the exports of both modules.
var kernelNames = []string{"fib", "json", "matmul", "nbody", "regex", "sha256", "sieve", "sort"}

func BenchmarkRewrite(b *testing.B) {
	wasm, err := kernels()
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(wasm)))
	b.ReportAllocs()
	for b.Loop() {
		out, _, err := meter.Rewrite(wasm, meter.Options{})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(out))/float64(len(wasm)), "growth")
	}
}

func BenchmarkValidateOnly(b *testing.B) {
	wasm, err := kernels()
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(wasm)))
	for b.Loop() {
		if err := valid(wasm); err != nil {
			b.Fatal(err)
		}
	}
}
