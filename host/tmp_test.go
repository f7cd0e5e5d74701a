package host_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/lambent-host/lambent/host"
)

// What else lies in the folder of the operator's choice is nobody's business.
func TestTmpIsWhereTheOperatorWantsItAndLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	others := filepath.Join(dir, "others")
	if err := os.WriteFile(others, []byte("keep"), 0o600); err != nil {
		t.Fatal(err)
	}
	first := start(t, func(c *host.Config) { c.TmpDir = dir })
	second := start(t, func(c *host.Config) { c.TmpDir = dir })
	first.deploy(t, "echo", "echo", settings{})
	second.deploy(t, "echo", "echo", settings{})
	first.invoke(t, "echo", `1`)
	second.invoke(t, "echo", `1`)
	if got := environments(t, dir); got != 2 {
		t.Errorf("%d folders of environments, want one of each host", got)
	}
	first.stop(t)
	if got := environments(t, dir); got != 1 {
		t.Errorf("%d folders of environments when one host has ended, want the other's", got)
	}
	second.stop(t)
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 || left[0].Name() != "others" {
		t.Errorf("left are %v, %v", left, err)
	}
}

func environments(t *testing.T, dir string) int {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "lambent-*", "environment-*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}
