package sandbox

import (
	"fmt"
	"math"
	"os"
	"testing"

	sysfs "github.com/tetratelabs/wazero/experimental/sys"
)

const create = sysfs.O_RDWR | sysfs.O_CREAT

// disk is a /tmp of a few KiB.
type disk struct {
	*testing.T
	fs *rootFS
}

func newDisk(t *testing.T, limit int64) disk {
	t.Helper()
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return disk{t, newRootFS(root, limit, func() bool { return false })}
}

func (d disk) open(name string, flag sysfs.Oflag) sysfs.File {
	d.Helper()
	f, e := d.fs.OpenFile(name, flag, 0o600)
	if e != 0 {
		d.Fatalf("open %s: %v", name, e)
	}
	return f
}

func (d disk) write(f sysfs.File, size, want int) {
	d.Helper()
	n, e := f.Write(make([]byte, size))
	if n != want || (e == 0) != (want > 0) {
		d.Errorf("wrote %d of %d bytes, %v; want %d", n, size, e, want)
	}
}

func (d disk) ok(e sysfs.Errno) {
	d.Helper()
	if e != 0 {
		d.Error(e)
	}
}

func TestTmpIsBounded(t *testing.T) {
	d := newDisk(t, 64<<10)
	f := d.open("a", create)
	d.write(f, 50<<10, 50<<10)
	d.write(f, 50<<10, 10<<10) // 4 KiB are the name's
	d.write(f, 1, 0)
	if _, e := f.Seek(0, 0); e != 0 {
		t.Fatal(e)
	}
	d.write(f, 60<<10, 60<<10) // what is there can be written over
	d.write(f, 1, 0)
	if n, e := f.Pwrite([]byte("x"), 70<<10); n != 0 || e == 0 {
		t.Errorf("wrote %d behind the end, %v", n, e)
	}
	if n, e := f.Pwrite([]byte("x"), math.MaxInt64); n != 0 || e == 0 {
		t.Errorf("wrote %d at the end of numbers, %v", n, e)
	}
	if e := f.Truncate(1 << 40); e == 0 {
		t.Error("a file grew to a terabyte")
	}
	for name, e := range map[string]sysfs.Errno{"folder": d.fs.Mkdir("d", 0o700), "symlink": d.fs.Symlink("a", "s"), "link": d.fs.Link("a", "l")} {
		if e == 0 {
			t.Errorf("there was room for a %s", name)
		}
	}
	if _, e := d.fs.OpenFile("b", create, 0o600); e == 0 {
		t.Error("there was room for a file")
	}
	// A file without a name takes its room until it is closed.
	d.ok(d.fs.Unlink("a"))
	g := d.open("b", create)
	d.write(g, 1, 0)
	d.ok(f.Close())
	d.write(g, 70<<10, 60<<10)
	d.ok(g.Truncate(0))
	if n, e := g.Pwrite([]byte("xy"), 50<<10); n != 2 || e != 0 {
		t.Errorf("wrote %d behind a gap, %v", n, e)
	}
	d.ok(g.Close())
	h := d.open("b", create|sysfs.O_TRUNC)
	if _, e := h.Seek(0, 0); e != 0 {
		t.Fatal(e)
	}
	d.write(h, 60<<10, 60<<10)
	d.ok(h.Close())
}

func TestFailuresTakeNoRoom(t *testing.T) {
	d := newDisk(t, 64<<10)
	d.ok(d.fs.Mkdir("d", 0o700))
	for range 100 {
		if e := d.fs.Mkdir("d", 0o700); e != sysfs.EEXIST {
			t.Fatalf("folder made twice: %v", e)
		}
		if _, e := d.fs.OpenFile("none/f", create, 0o600); e != sysfs.ENOENT {
			t.Fatalf("file in no folder: %v", e)
		}
	}
	f := d.open("f", create)
	d.write(f, 56<<10, 56<<10)
	d.ok(f.Close())
}

// What an instance left counts for the next one in the same folder.
func TestTmpIsMeasuredAtFirst(t *testing.T) {
	d := newDisk(t, 64<<10)
	f := d.open("f", create)
	d.write(f, 40<<10, 40<<10)
	d.ok(f.Close())
	d.fs = newRootFS(d.fs.root, 64<<10, func() bool { return false })
	g := d.open("g", create)
	d.write(g, 40<<10, 16<<10)
	d.ok(g.Close())
}

func TestOpenFilesAreBounded(t *testing.T) {
	d := newDisk(t, 0)
	counted := &countedFS{FS: d.fs, files: &openFiles{}}
	var last sysfs.File
	for i := range maxOpenFiles {
		f, e := counted.OpenFile(fmt.Sprint("f", i%4), create, 0o600)
		if e != 0 {
			t.Fatalf("file %d: %v", i, e)
		}
		t.Cleanup(func() { _ = f.Close() })
		last = f
	}
	if _, e := counted.OpenFile("more", create, 0o600); e == 0 {
		t.Fatalf("file %d was opened", maxOpenFiles)
	}
	d.ok(last.Close())
	_ = last.Close() // a second time gives nothing back
	f, e := counted.OpenFile("more", create, 0o600)
	if e != 0 {
		t.Fatalf("after one was closed: %v", e)
	}
	t.Cleanup(func() { _ = f.Close() })
	if _, e := counted.OpenFile("yet more", create, 0o600); e == 0 {
		t.Error("closing twice made room for two")
	}
}

// A guest that makes very many names and asks for room again and again has the
// host look at all of them: not beyond its own time.
func TestLookingForRoomEndsWithTheGuestsTime(t *testing.T) {
	const names = 3 * lookEvery
	d := newDisk(t, names*entryBytes)
	for i := range names {
		d.ok(d.fs.Mkdir(fmt.Sprint(i), 0o700))
	}
	d.ok(d.fs.Rmdir("0"))
	asked := 0
	d.fs.quota.over = func() bool { asked++; return true }
	if e := d.fs.Mkdir("late", 0o700); e == 0 || asked != 1 {
		t.Errorf("made a folder: %v; asked for the time %d times, want once", e == 0, asked)
	}
	d.fs.quota.over = func() bool { return false }
	d.ok(d.fs.Mkdir("in time", 0o700)) // what was not finished is not held against it
}
