package gobuild_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lambent-host/lambent/abi"
	. "github.com/lambent-host/lambent/abi/gobuild"
	"github.com/lambent-host/lambent/abi/gobuild/gobuildtest"
)

const (
	lambdaVersion = "v1.55.1" // the one this repository requires, hence in the module cache
	handlerSource = "package main\n\nimport \"github.com/aws/aws-lambda-go/lambda\"\n\nfunc main() { lambda.Start(func() (string, error) { return \"hi\", nil }) }\n"
	plainSource   = "package main\n\nfunc main() { println(1) }\n"
)

// module writes a module of one package and returns its folder. Its go.sum has
// what this repository's has on aws-lambda-go.
func module(t *testing.T, source string) string {
	t.Helper()
	sums, err := os.ReadFile(filepath.Join(gobuildtest.Root(t), "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	var own strings.Builder
	for line := range strings.Lines(string(sums)) {
		if strings.HasPrefix(line, "github.com/aws/aws-lambda-go ") {
			own.WriteString(line)
		}
	}
	dir := t.TempDir()
	write(t, dir, "go.mod", "module example.com/function\n\ngo 1.26\n\nrequire github.com/aws/aws-lambda-go "+lambdaVersion+"\n")
	write(t, dir, "go.sum", own.String())
	write(t, dir, "main.go", source)
	return dir
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	file := filepath.Join(dir, filepath.FromSlash(name))
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(content), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// tree is the content of a folder, to see that nothing was changed.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var out strings.Builder
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		fmt.Fprintf(&out, "%s %x\n", path, sha256.Sum256(content))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// build builds dir, and checks that the folder stays as it was and that no
// temporary file is left.
func build(t *testing.T, opts Options) (Report, []byte) {
	t.Helper()
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	before := tree(t, opts.Dir)
	opts.Out = filepath.Join(t.TempDir(), "out.wasm")
	report, err := Build(testContext(t), opts)
	if err != nil {
		t.Fatal(err)
	}
	if after := tree(t, opts.Dir); after != before {
		t.Errorf("the build changed the folder:\n%s\nwas\n%s", after, before)
	}
	if left, _ := os.ReadDir(temp); len(left) > 0 {
		t.Errorf("the build left %v behind", left)
	}
	wasm, err := os.ReadFile(opts.Out)
	if err != nil {
		t.Fatal(err)
	}
	if report.Out != opts.Out || report.Size != int64(len(wasm)) {
		t.Errorf("report %+v of a file of %d bytes", report, len(wasm))
	}
	if reactor := bytes.Contains(wasm, []byte(abi.ExportInvoke)); reactor != (report.Kind == abi.KindReactor) {
		t.Errorf("exports %s: %v, but reported as %v", abi.ExportInvoke, reactor, report.Kind)
	}
	return report, wasm
}

func TestSameSourceSameBytes(t *testing.T) {
	for _, seam := range []Seam{SeamDirect, SeamRuntimeAPI} {
		var sizes []int
		var sums [][32]byte
		for range 2 { // in two folders
			report, wasm := build(t, Options{Dir: module(t, handlerSource), Seam: seam})
			if report.Seam != seam || report.Kind != abi.KindReactor || report.Fallback != "" {
				t.Errorf("%v: report %+v", seam, report)
			}
			sizes, sums = append(sizes, len(wasm)), append(sums, sha256.Sum256(wasm))
		}
		if sums[0] != sums[1] {
			t.Errorf("%v: two builds differ (%d and %d bytes)", seam, sizes[0], sizes[1])
		}
		if httpIsIn := sizes[0] > 7<<20; httpIsIn != (seam == SeamRuntimeAPI) {
			t.Errorf("%v: %d bytes", seam, sizes[0])
		}
	}
}

func TestAutoPrefersDirect(t *testing.T) {
	steps := []string{}
	dir := module(t, handlerSource)
	write(t, dir, "go.mod", "module example.com/function\n\ngo 1.26\n\nrequire github.com/aws/aws-lambda-go "+lambdaVersion+" // indirect\n")
	report, _ := build(t, Options{
		Dir:      dir,
		Progress: func(step string) { steps = append(steps, step) },
		// mod=mod would correct that go.mod, and tags on the command line hide these.
		Env: append(os.Environ(), "GOFLAGS=-mod=mod -tags=some,thing"),
	})
	if report.Seam != SeamDirect || len(steps) != 2 {
		t.Errorf("report %+v, steps %q", report, steps)
	}
}

func TestCommandAndStrip(t *testing.T) {
	report, stripped := build(t, Options{Dir: module(t, plainSource)})
	if report.Kind != abi.KindCommand || report.Seam != SeamNone {
		t.Errorf("report %+v", report)
	}
	if _, whole := build(t, Options{Dir: module(t, plainSource), KeepSymbols: true}); len(whole) <= len(stripped) {
		t.Errorf("%d bytes with symbols, %d without", len(whole), len(stripped))
	}
}

func TestTagsOfTheUser(t *testing.T) {
	dir := module(t, "//go:build special\n\n"+plainSource)
	build(t, Options{Dir: dir, Env: append(os.Environ(), "GOFLAGS=-tags=special")})
	if _, err := Build(testContext(t), Options{Dir: dir, Out: filepath.Join(t.TempDir(), "x")}); err == nil {
		t.Error("built without the tag")
	}
}

// TestWhereTheModuleLies builds with aws-lambda-go outside of the module cache
// and inside a workspace; the direct seam has to find it in each place.
func TestWhereTheModuleLies(t *testing.T) {
	vendored := module(t, handlerSource)
	run(t, vendored, "mod", "vendor")

	local := module(t, handlerSource)
	fork := filepath.Join(t.TempDir(), "fork")
	copyModule(t, fork)
	run(t, local, "mod", "edit", "-replace=github.com/aws/aws-lambda-go="+fork)

	workspace := t.TempDir()
	if err := os.CopyFS(filepath.Join(workspace, "function"), os.DirFS(module(t, handlerSource))); err != nil {
		t.Fatal(err)
	}
	// The other member's replacement stands against one in the function's go.mod.
	write(t, workspace, "other/go.mod", "module example.com/other\n\ngo 1.26\n\nreplace github.com/aws/aws-lambda-go => github.com/aws/aws-lambda-go "+lambdaVersion+"\n")
	write(t, workspace, "go.work", "go 1.26\n\nuse (\n\t./function\n\t./other\n)\n")

	for name, dir := range map[string]string{"vendored": vendored, "local": local, "workspace": filepath.Join(workspace, "function")} {
		if report, _ := build(t, Options{Dir: dir, Seam: SeamDirect}); report.Seam != SeamDirect {
			t.Errorf("%s: report %+v", name, report)
		}
	}
	if report, _ := build(t, Options{Dir: vendored, Seam: SeamRuntimeAPI}); report.Seam != SeamRuntimeAPI {
		t.Errorf("vendored: report %+v", report)
	}
}

// TestOtherShape has aws-lambda-go declare something else than the direct seam
// expects: it must not compile, and the other seam must take over.
func TestOtherShape(t *testing.T) {
	fork := filepath.Join(t.TempDir(), "fork")
	copyModule(t, fork)
	entry := filepath.Join(fork, "lambda", "entry.go")
	source, err := os.ReadFile(entry)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(source), "f   func(envValue string, handler Handler) error", "f   func(string, Handler) error; other struct{ startRuntimeAPILoop int }", 1)
	changed += "\nvar contentTypeJSON2, _ = runtimeAPIClient{}, 0\n"
	if err := os.WriteFile(entry, []byte(changed), 0o644); err != nil {
		t.Fatal(err)
	}
	dir := module(t, handlerSource)
	run(t, dir, "mod", "edit", "-replace=github.com/aws/aws-lambda-go="+fork)
	report, _ := build(t, Options{Dir: dir})
	if report.Seam != SeamRuntimeAPI || !strings.Contains(report.Fallback, "runtimeAPIClient") {
		t.Errorf("report %+v", report)
	}
	var failure *Error
	if _, err := Build(testContext(t), Options{Dir: dir, Out: filepath.Join(t.TempDir(), "x"), Seam: SeamDirect}); !errors.As(err, &failure) {
		t.Errorf("the direct seam alone: %v", err)
	}
}

// TestVersions builds with the oldest version of the direct seam, and with one
// that is older still.
func TestVersions(t *testing.T) {
	for version, want := range map[string]Seam{"v1.28.0": SeamRuntimeAPI, "v1.34.0": SeamDirect, "v1.47.0": SeamDirect} {
		dir := module(t, handlerSource)
		run(t, dir, "mod", "edit", "-go=1.22", "-require=github.com/aws/aws-lambda-go@"+version)
		sums, err := os.ReadFile(filepath.Join("testdata", "versions", version+".sum"))
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, "go.sum", string(sums))
		if out, err := exec.Command("go", "-C", dir, "mod", "download").CombinedOutput(); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%s: %v\n%s", version, err, out)
			}
			t.Skipf("SKIPPED: aws-lambda-go %s is not in the module cache and cannot be downloaded: %s", version, out)
		}
		if report, _ := build(t, Options{Dir: dir}); report.Seam != want {
			t.Errorf("%s: report %+v, want seam %v", version, report, want)
		}
	}
}

// copyModule copies aws-lambda-go out of the module cache.
func copyModule(t *testing.T, to string) {
	t.Helper()
	out := run(t, gobuildtest.Root(t), "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-lambda-go")
	from := strings.TrimSpace(out)
	for _, part := range []string{"go.mod", "lambda", "lambdacontext"} {
		source, err := os.Stat(filepath.Join(from, part))
		if err != nil {
			t.Fatal(err)
		}
		if !source.IsDir() {
			content, err := os.ReadFile(filepath.Join(from, part))
			if err != nil {
				t.Fatal(err)
			}
			write(t, to, part, string(content))
			continue
		}
		if err := os.CopyFS(filepath.Join(to, part), os.DirFS(filepath.Join(from, part))); err != nil {
			t.Fatal(err)
		}
	}
	run(t, to, "mod", "edit", "-droprequire=github.com/stretchr/testify")
	err := filepath.WalkDir(to, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chmod(path, 0o755) // the cache is read-only
	})
	if err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}
