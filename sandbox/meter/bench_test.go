package meter_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/lambent-host/lambent/sandbox/internal/wasmtest"
	"github.com/lambent-host/lambent/sandbox/meter"
)

// benchQuantum is what package sandbox uses.
const benchQuantum = 3_000_000

var kernels = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "lambent-kernels-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "kernels.wasm")
	cmd := exec.Command("go", "build", "-o", out, "./testdata/kernels")
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
	if text, err := clang("testdata/kernels-c/kernels.c"); err != nil {
		tb.Fatalf("%v\n%s", err, text)
	}
	wasm, err := os.ReadFile(out)
	if err != nil {
		tb.Fatal(err)
	}
	return wasm
}

// both runs a benchmark plain and metered.
func both(b *testing.B, wasm []byte, run func(b *testing.B, h *host, wasm []byte)) {
	b.Run("plain", func(b *testing.B) { run(b, benchHost(b), wasm) })
	b.Run("metered", func(b *testing.B) {
		h := benchHost(b)
		run(b, h, rewrite(b, wasm))
		b.ReportMetric(b.Elapsed().Seconds()*1e6/float64(max(h.yields, 1)), "µs/quantum")
	})
}

func benchHost(b *testing.B) *host {
	h := newHost(b, wazero.NewRuntimeConfigCompiler())
	h.quantum = benchQuantum
	return h
}

func BenchmarkLoop(b *testing.B) {
	m := &wasmtest.Module{}
	m.Func("run", "i>", "", "loop > local.get 0 i32.const 1 i32.sub local.tee 0 br_if 0 end")
	both(b, m.Bytes(), call("run", 100_000_000))
}

func BenchmarkFib(b *testing.B) {
	m := &wasmtest.Module{}
	m.Func("run", "i>l", "", `local.get 0 i32.const 2 i32.lt_s if >l i64.const 1 else
		local.get 0 i32.const 1 i32.sub call 0 local.get 0 i32.const 2 i32.sub call 0 i64.add end`)
	both(b, m.Bytes(), call("run", 32))
}

// cTurns are how often each kernel does its work in one call: some tens of
// milliseconds.
var cTurns = map[string]uint64{"matmul": 40, "nbody": 3000, "regex": 200, "sha256": 2000, "sieve": 150, "sort": 100}

func BenchmarkC(b *testing.B) {
	wasm := cKernels(b)
	for _, name := range slices.Sorted(maps.Keys(cTurns)) {
		b.Run(name, func(b *testing.B) { both(b, wasm, call(name, cTurns[name])) })
	}
}

func call(name string, arg uint64) func(b *testing.B, h *host, wasm []byte) {
	return func(b *testing.B, h *host, wasm []byte) {
		f := h.mustInstantiate(wasm).ExportedFunction(name)
		h.yields = 0
		for b.Loop() {
			if _, err := f.Call(context.Background(), arg); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkGo(b *testing.B) {
	wasm, err := kernels()
	if err != nil {
		b.Fatal(err)
	}
	for name, times := range map[string]string{"json": "3000", "sha256": "300", "sort": "300"} {
		b.Run(name, func(b *testing.B) {
			both(b, wasm, func(b *testing.B, h *host, wasm []byte) { runCommand(b, h, wasm, name, times) })
		})
	}
}

func runCommand(b *testing.B, h *host, wasm []byte, args ...string) {
	ctx := context.Background()
	wasi_snapshot_preview1.MustInstantiate(ctx, h.rt)
	compiled, err := h.rt.CompileModule(ctx, wasm)
	if err != nil {
		b.Fatal(err)
	}
	cfg := wazero.NewModuleConfig().WithName("").WithArgs(append([]string{"kernels"}, args...)...).WithSysNanotime().WithSysWalltime()
	h.yields = 0
	for b.Loop() {
		if _, err := h.rt.InstantiateModule(ctx, compiled, cfg); err != nil {
			b.Fatal(err)
		}
	}
}

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
