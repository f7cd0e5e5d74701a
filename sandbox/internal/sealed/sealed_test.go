package sealed

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var key = []byte("a key")

func open(t *testing.T, dir string, most int64) *Folder {
	t.Helper()
	f, err := Open(dir, key, most)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func put(t *testing.T, f *Folder, name, content string) {
	t.Helper()
	scratch, err := f.Scratch()
	if err != nil {
		t.Fatal(err)
	}
	sub := filepath.Join(scratch, "sub")
	err = errors.Join(os.Mkdir(sub, 0o700), os.WriteFile(filepath.Join(sub, "file"), []byte(content), 0o600))
	if err = errors.Join(err, f.Put(name, scratch, []byte(`{"of":"`+name+`"}`))); err != nil {
		t.Fatal(err)
	}
}

// read reads all of an entry.
func read(f *Folder, name string) (string, error) {
	e, err := f.Get(name)
	if err != nil {
		return "", err
	}
	defer e.Release()
	content, err := e.Read("sub/file")
	return string(content), errors.Join(err, e.Check())
}

func mustBeDamaged(t *testing.T, f *Folder, name string) {
	t.Helper()
	var damage *DamageError
	if _, err := read(f, name); !errors.As(err, &damage) {
		t.Errorf("%v, want damage", err)
	}
}

func TestAnEntryIsFoundAsItWasPut(t *testing.T) {
	dir := t.TempDir()
	put(t, open(t, dir, 1<<20), "a", "content")
	f := open(t, dir, 1<<20)
	if got, err := read(f, "a"); err != nil || got != "content" {
		t.Errorf("%q, %v", got, err)
	}
	e, err := f.Get("a")
	if err != nil || string(e.Meta()) != `{"of":"a"}` {
		t.Errorf("meta %s, %v", e.Meta(), err)
	}
	e.Release()
	if _, err := f.Get("b"); !errors.Is(err, ErrNone) {
		t.Errorf("another name: %v", err)
	}
	put(t, f, "a", "later") // the first stays
	if got, err := read(f, "a"); err != nil || got != "content" {
		t.Errorf("%q, %v", got, err)
	}
	if err := errors.Join(f.Remove("a"), f.Remove("a")); err != nil {
		t.Error(err)
	}
	if _, err := f.Get("a"); !errors.Is(err, ErrNone) {
		t.Errorf("after removal: %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("%v are left", left)
	}
}

func TestDamage(t *testing.T) {
	for name, damage := range map[string]func(dir string) error{
		"no manifest":    func(dir string) error { return os.Remove(filepath.Join(dir, "manifest")) },
		"no file":        func(dir string) error { return os.RemoveAll(filepath.Join(dir, "sub")) },
		"shorter":        func(dir string) error { return os.Truncate(filepath.Join(dir, "sub/file"), 3) },
		"other content":  func(dir string) error { return os.WriteFile(filepath.Join(dir, "sub/file"), []byte("CONTENT"), 0o600) },
		"one file more":  func(dir string) error { return os.WriteFile(filepath.Join(dir, "sub/more"), nil, 0o600) },
		"a link instead": func(dir string) error { return relink(filepath.Join(dir, "sub/file")) },
		"another's name": func(dir string) error { return replaceBy(dir, filepath.Join(filepath.Dir(dir), "other")) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			f := open(t, dir, 1<<20)
			put(t, f, "a", "content")
			put(t, f, "other", "content")
			if err := damage(filepath.Join(dir, "a")); err != nil {
				t.Fatal(err)
			}
			mustBeDamaged(t, f, "a")
		})
	}
	dir := t.TempDir()
	put(t, open(t, dir, 1<<20), "a", "content")
	f, err := Open(dir, []byte("another key"), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	mustBeDamaged(t, f, "a")
}

func relink(path string) error {
	return errors.Join(os.Rename(path, path+"2"), os.Symlink(path+"2", path))
}

func replaceBy(dir, other string) error { return errors.Join(os.RemoveAll(dir), os.Rename(other, dir)) }

func TestLinksCannotBePut(t *testing.T) {
	f := open(t, t.TempDir(), 1<<20)
	scratch, err := f.Scratch()
	if err = errors.Join(err, os.Symlink("/etc/passwd", filepath.Join(scratch, "link"))); err != nil {
		t.Fatal(err)
	}
	if err := f.Put("a", scratch, []byte("{}")); err == nil {
		t.Error("a link was sealed")
	}
}

func TestTrimKeepsWhatIsInUseAndWhatWasUsedLast(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir, 4000)
	began := time.Now().Add(-time.Hour)
	for n, name := range []string{"a", "b", "c", "d"} {
		put(t, f, name, string(make([]byte, 1500)))
		at := began.Add(time.Duration(n) * time.Minute)
		if err := os.Chtimes(filepath.Join(dir, name, "manifest"), at, at); err != nil {
			t.Fatal(err)
		}
	}
	used, err := f.Get("b") // used last, but not in use
	if err != nil {
		t.Fatal(err)
	}
	used.Release()
	held, err := f.Get("a")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(filepath.Join(dir, "a", "manifest"), began, began); err != nil {
		t.Fatal(err)
	}
	if n, err := f.Trim(); n != 2 || err != nil {
		t.Errorf("removed %d (%v), want 2", n, err)
	}
	held.Release()
	for name, want := range map[string]bool{"a": true, "b": true, "c": false, "d": false} {
		if _, err := read(f, name); (err == nil) != want {
			t.Errorf("%s: %v, want it kept: %v", name, err, want)
		}
	}
}

func TestWhatADeadProcessLeftIsRemoved(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir, 1)
	old, err := f.Scratch()
	if err != nil {
		t.Fatal(err)
	}
	now, err := f.Scratch()
	if err != nil {
		t.Fatal(err)
	}
	long := time.Now().Add(-2 * scratchAge)
	if err := os.Chtimes(old, long, long); err != nil {
		t.Fatal(err)
	}
	open(t, dir, 1)
	if _, err := os.Stat(old); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the old one: %v", err)
	}
	if _, err := os.Stat(now); err != nil {
		t.Errorf("the new one: %v", err)
	}
}

// FuzzManifest holds that no bytes make the reader panic, that none are taken
// without their MAC, and that none, not even with it, lead out of the entry.
func FuzzManifest(f *testing.F) {
	m := manifest{Version: formVersion, Name: "a", Files: map[string]digest{"f": {1, strings.Repeat("0", 64)}}, Meta: []byte("{}")}
	good, err := m.seal(key)
	if err != nil {
		f.Fatal(err)
	}
	line, _, _ := bytes.Cut(good, []byte("\n"))
	f.Add(line)
	f.Add(bytes.ReplaceAll(line, []byte(`"f"`), []byte(`"../f"`)))
	f.Add(good)
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := openManifest(data, []byte("not the key"), "a"); err == nil {
			t.Fatal("taken without its MAC")
		}
		signed := append(append(bytes.Clone(data), '\n'), hex.EncodeToString(mac(key, data))...)
		m, err := openManifest(signed, key, "a")
		for file := range m.Files {
			if err == nil && !filepath.IsLocal(file) {
				t.Errorf("%q leads out", file)
			}
		}
	})
}
