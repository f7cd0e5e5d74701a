package gobuild_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/lambent-host/lambent/abi/gobuild"
)

// TestErrors gives Build what it must refuse, and looks for what the message
// has to say. An output file that was there stays.
func TestErrors(t *testing.T) {
	unsummed := module(t, handlerSource)
	write(t, unsummed, "go.sum", "")
	for name, c := range map[string]struct {
		dir  string
		want []string
	}{
		"library":      {module(t, "package lib\n"), []string{"package lib is not a main package"}},
		"no folder":    {filepath.Join(t.TempDir(), "absent"), []string{"absent", "no such file"}},
		"a file":       {filepath.Join(unsummed, "main.go"), []string{"main.go is not a folder"}},
		"empty folder": {t.TempDir(), []string{"go.mod"}},
		"wrong type":   {module(t, "package main\n\nfunc main() { var n int = \"one\" }\n"), []string{"main.go:3", "does not compile"}},
		"wrong handler program": {
			module(t, strings.Replace(handlerSource, "\"hi\"", "undefinedName", 1)),
			[]string{"main.go:5", "undefinedName"},
		},
		"unknown import": {module(t, "package main\n\nimport _ \"example.com/nowhere/at/all\"\n\nfunc main() {}\n"), []string{"example.com/nowhere/at/all"}},
		"no go.sum":      {unsummed, []string{"missing go.sum entry", "aws-lambda-go"}},
	} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out.wasm")
			write(t, filepath.Dir(out), "out.wasm", "before")
			_, err := Build(testContext(t), Options{Dir: c.dir, Out: out})
			if err == nil {
				t.Fatal("built")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\nwant it to say %q", err, want)
				}
			}
			if content, _ := os.ReadFile(out); string(content) != "before" {
				t.Error("the output file was changed")
			}
			if strings.Contains(err.Error(), "lambentshim") {
				t.Errorf("the message speaks of a file that the user has not written: %v", err)
			}
		})
	}
}

func TestTwoRuntimes(t *testing.T) {
	dir := module(t, strings.Replace(handlerSource, "import ", "import _ \"github.com/lambent-host/lambent/abi/guest\"\n\nimport ", 1))
	stub := t.TempDir()
	write(t, stub, "go.mod", "module github.com/lambent-host/lambent\n\ngo 1.26\n")
	write(t, stub, "abi/guest/guest.go", "package guest\n")
	run(t, dir, "mod", "edit", "-require=github.com/lambent-host/lambent@v0.0.0", "-replace=github.com/lambent-host/lambent="+stub)
	_, err := Build(testContext(t), Options{Dir: dir, Out: filepath.Join(t.TempDir(), "x")})
	if err == nil || !strings.Contains(err.Error(), "imports both") {
		t.Errorf("error %v", err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for field, opts := range map[string]Options{"Dir": {Out: "x"}, "Out": {Dir: "."}} {
		if _, err := Build(testContext(t), opts); err == nil || !strings.Contains(err.Error(), field+" is empty") {
			t.Errorf("without %s: %v", field, err)
		}
	}
}

func TestOutputFolderIsAbsent(t *testing.T) {
	out := filepath.Join(t.TempDir(), "absent", "out.wasm")
	if _, err := Build(testContext(t), Options{Dir: module(t, plainSource), Out: out}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

func TestGoCommandIsAbsent(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Build(testContext(t), Options{Dir: t.TempDir(), Out: "x"})
	if err == nil || !strings.Contains(err.Error(), "go command was not found") {
		t.Errorf("error %v", err)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	opts := Options{Dir: module(t, plainSource), Out: filepath.Join(t.TempDir(), "x")}
	opts.Progress = func(step string) {
		if strings.HasPrefix(step, "compiling") {
			cancel()
		}
	}
	if _, err := Build(ctx, opts); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// TestInterrupted ends the go command in the middle of its work, which an empty
// build cache makes long, and looks for what it leaves behind.
func TestInterrupted(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	t.Setenv("GOCACHE", t.TempDir())
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	begun := time.Now()
	_, err := Build(ctx, Options{Dir: module(t, handlerSource), Out: filepath.Join(t.TempDir(), "x")})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	if took := time.Since(begun); took > 15*time.Second {
		t.Errorf("it took %v to end", took)
	}
	left, _ := os.ReadDir(temp)
	for _, entry := range left {
		if strings.HasPrefix(entry.Name(), "lambent-") || strings.HasPrefix(entry.Name(), "go-build") {
			t.Errorf("%s was left behind", entry.Name())
		}
	}
}
