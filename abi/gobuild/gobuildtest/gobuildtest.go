// Package gobuildtest builds the sample functions of this repository for
// tests: each at most once in a process, with package gobuild.
package gobuildtest

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/lambent-host/lambent/abi/gobuild"
)

// limit bounds one build; on an empty build cache the standard library is
// compiled first.
const limit = 5 * time.Minute

var built sync.Map // package folder and seam -> func() ([]byte, error), run once

// Function returns the module built from functions/<name>. The bytes are
// shared by all callers and must not be changed. The test fails if the
// function cannot be built.
func Function(t testing.TB, name string) []byte {
	t.Helper()
	return Package(t, "functions/"+name, gobuild.SeamAuto)
}

// Package is as Function, for any main package of this repository, named by
// its folder with slashes, and with a seam of the caller's choice.
func Package(t testing.TB, folder string, seam gobuild.Seam) []byte {
	t.Helper()
	root := Root(t)
	once, _ := built.LoadOrStore(folder+" "+seam.String(), sync.OnceValues(func() ([]byte, error) {
		return build(filepath.Join(root, filepath.FromSlash(folder)), seam)
	}))
	module, err := once.(func() ([]byte, error))()
	if err != nil {
		t.Fatalf("building %s: %v", folder, err)
	}
	return module
}

// Root is the folder of this repository: of go.mod at or above the folder the
// test runs in.
func Root(t testing.TB) string {
	t.Helper()
	start, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatalf("no go.mod at or above %s", start)
		}
	}
}

func build(dir string, seam gobuild.Seam) ([]byte, error) {
	temp, err := os.MkdirTemp("", "lambent-function-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(temp) }()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	out := filepath.Join(temp, "function.wasm")
	if _, err := gobuild.Build(ctx, gobuild.Options{Dir: dir, Out: out, Seam: seam}); err != nil {
		return nil, err
	}
	return os.ReadFile(out)
}
