package sandbox_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/lambent-host/lambent/abi/gobuild/gobuildtest"
	"github.com/lambent-host/lambent/sandbox"
)

// saved writes a snapshot to a file and returns the path.
func saved(t testing.TB, s *sandbox.Snapshot) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "snapshot")
	if err := s.Save(path); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t testing.TB, m *sandbox.Module, path string) *sandbox.Snapshot {
	t.Helper()
	s, err := m.LoadSnapshot(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// Another engine compiles the module anew, as a host does that was started again.
func TestAGoHandlerGoesOnAfterTheHostWasStartedAgain(t *testing.T) {
	wasm := gobuildtest.Function(t, "counter")
	s := capture(t, compile(t, wasm, defaultMemory), "{}", "{}")
	path := saved(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() > s.Size()+1<<16 || info.Mode().Perm() != 0o600 {
		t.Errorf("%v bytes for %d, mode %v, %v", info.Size(), s.Size(), info.Mode(), err)
	}

	m := compile(t, wasm, defaultMemory)
	loaded := load(t, m, path)
	if loaded.Size() != s.Size() {
		t.Errorf("loaded %d bytes, saved %d", loaded.Size(), s.Size())
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil { // what was loaded is a copy
		t.Fatal(err)
	}
	for range 2 {
		if got := answer(t, restore(t, m, loaded), "{}"); got != `{"count":3}` {
			t.Errorf("restored: %s", got)
		}
	}
	if again, err := os.ReadFile(saved(t, loaded)); err != nil || len(again) != int(info.Size()) {
		t.Errorf("saved again: %d bytes, %v", len(again), err)
	}
}

func TestADamagedFileIsNotTakenForASnapshot(t *testing.T) {
	m := compile(t, counting().handler(count), defaultMemory)
	path := saved(t, capture(t, m, ""))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what string, at int, content []byte) {
		t.Helper()
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := m.LoadSnapshot(path)
		var corrupt *sandbox.CorruptError
		if !errors.As(err, &corrupt) || corrupt.Path != path || corrupt.Reason == "" {
			t.Errorf("%s at %d: %v", what, at, err)
		}
		if s != nil {
			_ = s.Close()
		}
	}
	for at := 0; at < len(whole); at += 1 + at/97 {
		refused("torn", at, whole[:at])
		flipped := append([]byte(nil), whole...)
		flipped[at] ^= 1 << (at % 8)
		refused("a bit flipped", at, flipped)
	}
	refused("longer", len(whole), append(append([]byte(nil), whole...), 0))
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := answer(t, restore(t, m, load(t, m, path)), ""); got != "22" {
		t.Errorf("the whole file: %s", got)
	}
}

func TestAFileOfAnotherModuleIsRefused(t *testing.T) {
	path := saved(t, capture(t, compile(t, counting().handler(count), defaultMemory)))
	for name, wasm := range map[string][]byte{
		"of another shape":  newGuest().handler(echo),
		"of the same shape": counting().handler(count + " nop"),
	} {
		_, err := compile(t, wasm, defaultMemory).LoadSnapshot(path)
		var corrupt *sandbox.CorruptError
		if !errors.As(err, &corrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := compile(t, newGuest().handler(echo), defaultMemory).LoadSnapshot(path + "?"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestSavingLeavesNothingBehindWhenItFails(t *testing.T) {
	s := capture(t, compile(t, counting().handler(count), defaultMemory))
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "taken"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.Save(filepath.Join(dir, "taken")); err == nil {
		t.Error("saved over a folder")
	}
	if err := s.Save(filepath.Join(dir, "none", "snapshot")); err == nil {
		t.Error("saved into a folder that is not there")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// Whoever does not know the key cannot make a snapshot that is taken.
func TestASnapshotOfAnotherKeyIsRefused(t *testing.T) {
	wasm := counting().handler(count)
	with := func(key string) *sandbox.Module {
		e, err := sandbox.New(t.Context(), sandbox.Config{CacheKey: []byte(key)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = e.Close(context.Background()) })
		m, err := e.Compile(t.Context(), wasm, sandbox.Limits{MemoryBytes: defaultMemory})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	path := saved(t, capture(t, with("one")))
	_, err := with("two").LoadSnapshot(path)
	var corrupt *sandbox.CorruptError
	if !errors.As(err, &corrupt) {
		t.Errorf("another key: %v", err)
	}
	load(t, with("one"), path)
}
