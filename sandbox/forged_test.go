package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/lambent-host/lambent/sandbox/internal/wasmtest"
)

// A snapshot that is well-formed, and authentic where there is no key, is restored
// only if the module can be what it says.
func TestAForgedSnapshotIsRefused(t *testing.T) {
	g := &wasmtest.Module{}
	g.Memory(2, -1)
	g.Global('i', "i32.const 0")
	g.Func("lambent_invoke", "i>i", "", "i32.const 0")
	e, err := New(t.Context(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close(t.Context())
	m, err := e.Compile(t.Context(), g.Bytes(), Limits{MemoryBytes: 4 * pageBytes})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		spoil func(*Snapshot)
		ok    bool
	}{
		"as it should be":  {func(*Snapshot) {}, true},
		"grown":            {func(s *Snapshot) { s.image = imageFor(t, make([]byte, 3*pageBytes)) }, true},
		"too few globals":  {func(s *Snapshot) { s.globals = nil }, false},
		"too many globals": {func(s *Snapshot) { s.globals = make([]uint64, 2) }, false},
		"too small":        {func(s *Snapshot) { s.image = imageFor(t, make([]byte, pageBytes)) }, false},
		"too large":        {func(s *Snapshot) { s.image = imageFor(t, make([]byte, 5*pageBytes)) }, false},
		"part of a page":   {func(s *Snapshot) { s.image = imageFor(t, make([]byte, 3*pageBytes-imagePage)) }, false},
		"another module":   {func(s *Snapshot) { s.digest = "another" }, false},
	} {
		s := &Snapshot{image: imageFor(t, make([]byte, 2*pageBytes)), globals: make([]uint64, 1), digest: m.digest}
		s.taken = s.taken.AddDate(2025, 0, 0)
		c.spoil(s)
		path := filepath.Join(t.TempDir(), "snapshot")
		if err := s.Save(path); err != nil {
			t.Fatal(err)
		}
		loaded, err := m.LoadSnapshot(path)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		if loaded != nil {
			i, err := m.Restore(t.Context(), loaded, InstanceConfig{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := i.Invoke(t.Context(), Invocation{}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if err := errors.Join(i.Close(t.Context()), loaded.Close()); err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := os.Stat("testdata/fuzz/FuzzSnapshotHead"); err != nil {
		t.Error("the corpus of the decoder is missing")
	}
}
