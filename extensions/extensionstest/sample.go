package extensionstest

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// Sample builds the sample extension, extensions/examples/timeline, into a folder
// that holds nothing else, and returns the folder. It needs the go command and is
// for tests inside this module.
func Sample(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "timeline"), "github.com/lambent-host/lambent/extensions/examples/timeline")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the sample extension: %v\n%s", err, out)
	}
	return dir
}
