package gobuild_test

import (
	"os"
	"path/filepath"
	"testing"

	. "github.com/lambent-host/lambent/abi/gobuild"
)

// TestModfile has the go command read another go.mod than the one the direct
// seam is put into: the program then builds, but is no function.
func TestModfile(t *testing.T) {
	dir := module(t, handlerSource)
	other := t.TempDir()
	for _, name := range []string{"go.mod", "go.sum"} {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, other, name, string(content))
	}
	report, _ := build(t, Options{Dir: dir, Env: append(os.Environ(), "GOFLAGS=-modfile="+filepath.Join(other, "go.mod"))})
	if report.Seam != SeamRuntimeAPI || report.Fallback == "" {
		t.Errorf("report %+v", report)
	}
}
