package cli

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// lambentIn runs the real program in a folder and returns what it printed.
func lambentIn(t *testing.T, dir string, args ...string) (output string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), lambent(t), args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func TestANewExtensionBuildsAndPassesItsTest(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: builds a module")
	}
	checkout, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "src", "tried-out")
	if out, code := lambentIn(t, checkout, "extension", "new", "tried-out", "--dir", dir, "--module", "example.com/tried-out"); code != 0 {
		t.Fatalf("new: exit code %d\n%s", code, out)
	}
	for _, args := range [][]string{{"vet", "./..."}, {"build", "-o", filepath.Join(t.TempDir(), "tried-out"), "."}, {"test", "./..."}} {
		run := exec.CommandContext(t.Context(), "go", args...)
		run.Dir = dir
		if out, err := run.CombinedOutput(); err != nil {
			t.Errorf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	module, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil || !strings.Contains(string(module), "module example.com/tried-out\n") {
		t.Errorf("go.mod is %s, %v", module, err)
	}
	if out, code := lambentIn(t, checkout, "extension", "new", "tried-out", "--dir", dir); code != exitError || !strings.Contains(out, "is not empty") {
		t.Errorf("a second time: exit code %d\n%s", code, out)
	}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	empty := t.TempDir()
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"no name":         {nil, exitUsage, "NAME"},
		"a path for name": {[]string{"../x"}, exitUsage, `"../x" is not a name`},
		"no checkout":     {[]string{"x"}, exitError, "development build"},
		"a wrong one":     {[]string{"x", "--replace", empty}, exitError, "--replace"},
	} {
		out, code := lambentIn(t, empty, append([]string{"extension", "new"}, c.args...)...)
		if code != c.code || !strings.Contains(out, c.says) {
			t.Errorf("%s: exit code %d, want %d with %q\n%s", name, code, c.code, c.says, out)
		}
	}
	if left, err := os.ReadDir(empty); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestReleasedVersionsAreTold(t *testing.T) {
	for v, want := range map[string]bool{
		"v1.2.3": true, "v0.1.0-rc.1": true, "v0.0.0-20261123120000-0123456789ab": false, "v1.2.3+dirty": false, "(devel)": false, "devel": false,
	} {
		if released.MatchString(v) != want {
			t.Errorf("%s: want released %v", v, want)
		}
	}
}

func TestTheCheckoutMayHaveAnyPath(t *testing.T) {
	p := newExtension{Name: "x", Module: "x", Go: "1.26", Version: "v0.0.0", Replace: "/a b/check\"out", dir: t.TempDir()}
	if err := p.write(); err != nil {
		t.Fatal(err)
	}
	read := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json")
	read.Dir = p.dir
	out, err := read.Output()
	var module struct {
		Replace []struct{ New struct{ Path string } }
	}
	if err := errors.Join(err, json.Unmarshal(out, &module)); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if len(module.Replace) != 1 || module.Replace[0].New.Path != p.Replace {
		t.Errorf("go.mod says %s", out)
	}
}
