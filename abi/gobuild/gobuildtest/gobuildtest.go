// Package gobuildtest builds the sample functions of this repository for
// tests: each at most once in a process, with package gobuild.
package gobuildtest

import (
	"context"
	"fmt"
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

var built sync.Map // function name and seam -> func() ([]byte, error), run once

// Function returns the module built from functions/<name>. The bytes are
// shared by all callers and must not be changed. The test fails if the
// function cannot be built.
func Function(t testing.TB, name string) []byte {
	t.Helper()
	return FunctionWith(t, name, gobuild.SeamAuto)
}

// FunctionWith is as Function, with a seam of the caller's choice.
func FunctionWith(t testing.TB, name string, seam gobuild.Seam) []byte {
	t.Helper()
	once, _ := built.LoadOrStore(name+" "+seam.String(), sync.OnceValues(func() ([]byte, error) { return build(name, seam) }))
	module, err := once.(func() ([]byte, error))()
	if err != nil {
		t.Fatalf("building function %s: %v", name, err)
	}
	return module
}

func build(name string, seam gobuild.Seam) ([]byte, error) {
	root, err := moduleRoot()
	if err != nil {
		return nil, err
	}
	temp, err := os.MkdirTemp("", "lambent-function-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(temp) }()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	out := filepath.Join(temp, name+".wasm")
	if _, err := gobuild.Build(ctx, gobuild.Options{Dir: filepath.Join(root, "functions", name), Out: out, Seam: seam}); err != nil {
		return nil, err
	}
	return os.ReadFile(out)
}

// moduleRoot is the folder of go.mod at or above the one the test runs in.
func moduleRoot() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no go.mod at or above %s", start)
		}
	}
}
