package deployment

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
)

func TestFilesAreAFileSystem(t *testing.T) {
	text := strings.Repeat("config line\n", 5000)
	p, err := Open(archive(t,
		entry{Name: "main.wasm", Data: module},
		entry{Name: "etc/app.conf", Data: []byte(text)},
		entry{Name: "empty"},
	))
	if err != nil {
		t.Fatal(err)
	}
	if err := fstest.TestFS(p.Files, "main.wasm", "etc/app.conf", "empty"); err != nil {
		t.Error(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if b, err := fs.ReadFile(p.Files, "etc/app.conf"); err != nil || string(b) != text {
				t.Errorf("read %d bytes, %v", len(b), err)
			}
		})
	}
	wg.Wait()
	if _, err := p.Files.Open("etc/other"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
}

func TestFilesCanSeek(t *testing.T) {
	p, err := Open(archive(t, entry{Name: "main.wasm", Data: module}, entry{Name: "f", Data: []byte("0123456789")}))
	if err != nil {
		t.Fatal(err)
	}
	f, err := p.Files.Open("f")
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 3)
	if _, err := io.ReadFull(f, buf); err != nil || string(buf) != "012" {
		t.Fatalf("read %q, %v", buf, err)
	}
	if at, err := f.(io.Seeker).Seek(2, io.SeekCurrent); err != nil || at != 5 {
		t.Fatalf("seek: at %d, %v; want 5", at, err)
	}
	if rest, err := io.ReadAll(f); err != nil || string(rest) != "56789" {
		t.Errorf("after seek: %q, %v", rest, err)
	}
	if n, err := f.(io.ReaderAt).ReadAt(buf, 1); n != 3 || err != nil || string(buf) != "123" {
		t.Errorf("read at: %q, %v", buf, err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read(buf); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("read after close: %v", err)
	}
	if _, err := f.(io.Seeker).Seek(0, io.SeekStart); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("seek after close: %v", err)
	}
}

// TestFilesShareWhatIsUnpacked: a guest that opens one large file many times
// must not have it unpacked as often.
func TestFilesShareWhatIsUnpacked(t *testing.T) {
	const size, handles = 8 << 20, 16
	p, err := Open(archive(t, entry{Name: "main.wasm", Data: module}, entry{Name: "big", Data: make([]byte, size)}))
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	open := make([]fs.File, handles)
	for i := range open {
		if open[i], err = p.Files.Open("big"); err != nil {
			t.Fatal(err)
		}
		if at, err := open[i].(io.Seeker).Seek(-1, io.SeekEnd); at != size-1 || err != nil {
			t.Fatalf("seek: at %d, %v", at, err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if held := int64(after.HeapAlloc) - int64(before.HeapAlloc); held > 3*size {
		t.Errorf("%d open files of %d bytes hold %d bytes", handles, size, held)
	}
	for _, f := range open[1:] {
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := open[0].Read(make([]byte, 2)); n != 1 || err != nil {
		t.Errorf("the last handle reads %d bytes, %v", n, err)
	}
	if err := open[0].Close(); err != nil {
		t.Fatal(err)
	}
	if left := len(p.Files.(*files).loaded); left != 0 {
		t.Errorf("%d files are still in memory after the last was closed", left)
	}
}

// TestFilesHoldEntriesToTheirSize: only the module is unpacked when an upload
// is opened; the others are believed and must not exceed what they stated.
func TestFilesHoldEntriesToTheirSize(t *testing.T) {
	for name, edit := range map[string]func(h *zip.FileHeader){
		"longer": func(h *zip.FileHeader) { h.UncompressedSize64, h.CompressedSize64 = 6, 6 },
		"broken": func(h *zip.FileHeader) { h.CRC32++ },
	} {
		raw := lie(t, func(h *zip.FileHeader) { h.Name = "data"; edit(h) })
		r, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
		if err != nil {
			t.Fatal(err)
		}
		f, err := newFiles(r).Open("data")
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(f); err == nil {
			t.Errorf("%s: read %d bytes without an error", name, len(b))
		}
		if _, err := f.(io.Seeker).Seek(0, io.SeekStart); err == nil {
			t.Errorf("%s: seek without an error", name)
		}
		f.Close()
	}
}

// TestFilesStopAtTheStatedSize: deflate goes on for longer than the entry says.
func TestFilesStopAtTheStatedSize(t *testing.T) {
	var packed bytes.Buffer
	d, err := flate.NewWriter(&packed, flate.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Write(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	p, err := Open(beside(t, zip.FileHeader{
		Name: "data", Method: zip.Deflate, CRC32: crc32.ChecksumIEEE(make([]byte, 10)),
		CompressedSize64: uint64(packed.Len()), UncompressedSize64: 10,
	}, packed.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	f, err := p.Files.Open("data")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if b, err := io.ReadAll(f); err == nil || len(b) > 10 {
		t.Errorf("read %d bytes, %v", len(b), err)
	}
	if at, err := f.(io.Seeker).Seek(0, io.SeekEnd); err == nil {
		t.Errorf("seek to the end leads to %d", at)
	}
}

// FuzzOpen: whatever is uploaded, Open answers with an *Error or a package
// whose files stay inside their tree and within the limit.
func FuzzOpen(f *testing.F) {
	f.Add(module)
	f.Add(archive(f, entry{Name: "main.wasm", Data: module}, entry{Name: "a/b", Data: []byte("text")}))
	f.Add(archive(f, entry{Name: "../a", Data: module}))
	f.Add(lie(f, func(h *zip.FileHeader) { h.UncompressedSize64 = 5 }))
	f.Fuzz(func(t *testing.T, upload []byte) {
		p, err := Open(upload)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Message == "" {
				t.Fatalf("error is %T %v", err, err)
			}
			return
		}
		if !bytes.HasPrefix(p.Wasm, wasmMagic) {
			t.Fatalf("module begins with %q", p.Wasm[:min(8, len(p.Wasm))])
		}
		if p.Files == nil {
			return
		}
		var total int64
		if err := fs.WalkDir(p.Files, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, _ := fs.ReadFile(p.Files, name)
			total += int64(len(b))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if total > MaxUnzippedBytes {
			t.Fatalf("files unpack to %d bytes", total)
		}
	})
}
