package abitest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/lambent-host/lambent/abi/gobuild"
	"github.com/lambent-host/lambent/abi/gobuild/gobuildtest"
)

// GoGuest builds testdata/conformance, the guest of the test protocol in Go.
func GoGuest(t testing.TB) []byte {
	t.Helper()
	return gobuildtest.Package(t, "abi/abitest/testdata/conformance", gobuild.SeamAuto)
}

// AWSGuest builds testdata/awslambda, the guest of [AWSLambda], with seam.
func AWSGuest(t testing.TB, seam gobuild.Seam) []byte {
	t.Helper()
	return gobuildtest.Package(t, "abi/abitest/testdata/awslambda", seam)
}

// CGuest builds abi/c/sample/<name>.c. Without clang and wasi-libc the test is
// skipped, which says how to install them; with CI=true it fails.
func CGuest(t testing.TB, name string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), name+".wasm")
	dir := filepath.Join(gobuildtest.Root(t), "abi", "c")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	message, err := clang(ctx, "-Wall", "-Wextra", "-Werror", "-I"+dir, "-o", out, filepath.Join(dir, "sample", name+".c"))
	if err != nil {
		const install = "the C guests need clang, lld, wasi-libc and libclang-rt-14-dev-wasm32 (apt-get install)"
		// If the tools build an empty program, the complaint is about the source.
		_, probe := clang(ctx, "-o", out, "-x", "c", "-include", "stdio.h", os.DevNull)
		switch {
		case probe == nil:
			t.Fatalf("compiling %s.c: %v\n%s", name, err, message)
		case os.Getenv("CI") == "true":
			t.Fatalf("%s: %v\n%s", install, err, message)
		default:
			t.Skipf("SKIPPED: %s: %v", install, err)
		}
	}
	module, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return module
}

// clang runs the build line of abi/c/lambent.h.
func clang(ctx context.Context, args ...string) ([]byte, error) {
	args = append([]string{"--target=wasm32-wasi", "-O2", "-mexec-model=reactor"}, args...)
	return exec.CommandContext(ctx, "clang", args...).CombinedOutput()
}
