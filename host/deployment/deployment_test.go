package deployment

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"strings"
	"testing"
)

var module = []byte("\x00asm\x01\x00\x00\x00")

// entry is one file of a test archive; zero Mode means a plain file.
type entry struct {
	Name string
	Data []byte
	Mode fs.FileMode
}

func archive(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.Name, Method: zip.Deflate}
		if e.Mode == 0 {
			e.Mode = 0o644
		}
		h.SetMode(e.Mode)
		f, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if len(e.Data) > 0 {
			if _, err := f.Write(e.Data); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// lie returns an archive with one raw entry whose header says whatever edit
// makes it say.
func lie(t testing.TB, edit func(*zip.FileHeader)) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	h := &zip.FileHeader{
		Name: "main.wasm", Method: zip.Store, CRC32: crc32.ChecksumIEEE(module),
		CompressedSize64: uint64(len(module)), UncompressedSize64: uint64(len(module)),
	}
	edit(h)
	f, err := w.CreateRaw(h)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(module); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestOpenFindsTheModule(t *testing.T) {
	other := append(bytes.Clone(module), 0)
	for name, upload := range map[string][]byte{
		"bare":                       module,
		"bootstrap before main.wasm": archive(t, entry{Name: "main.wasm", Data: other}, entry{Name: "bootstrap", Data: module}),
		"main.wasm before others":    archive(t, entry{Name: "a.wasm", Data: other}, entry{Name: "main.wasm", Data: module}),
		"the only one":               archive(t, entry{Name: "README", Data: []byte("x")}, entry{Name: "build/fn.wasm", Data: module}),
		"with folders":               archive(t, entry{Name: "lib/", Mode: fs.ModeDir | 0o755}, entry{Name: "lib/fn.wasm", Data: module}),
	} {
		p, err := Open(upload)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !bytes.Equal(p.Wasm, module) {
			t.Errorf("%s: module is %q", name, p.Wasm)
		}
		if bare := name == "bare"; bare != (p.Files == nil) {
			t.Errorf("%s: files are %v", name, p.Files)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	wasm := entry{Name: "main.wasm", Data: module}
	corrupt := "Could not unzip uploaded file. Please check your file, then try to upload again."
	good := archive(t, wasm)
	for name, c := range map[string]struct {
		upload []byte
		want   string // part of the message
	}{
		"nothing":          {nil, corrupt},
		"not a zip":        {[]byte("hello"), corrupt},
		"cut zip":          {good[:len(good)-10], corrupt},
		"bad checksum":     {lie(t, func(h *zip.FileHeader) { h.CRC32++ }), corrupt},
		"longer than said": {lie(t, func(h *zip.FileHeader) { h.UncompressedSize64, h.CompressedSize64 = 6, 6 }), corrupt},
		"shorter":          {lie(t, func(h *zip.FileHeader) { h.UncompressedSize64 = 9 }), corrupt},
		"impossible ratio": {lie(t, func(h *zip.FileHeader) { h.Method, h.UncompressedSize64 = zip.Deflate, 100_000 }), corrupt},
		"unknown method":   {lie(t, func(h *zip.FileHeader) { h.Method = 12 }), `packs "main.wasm" with method 12`},
		"encrypted":        {lie(t, func(h *zip.FileHeader) { h.Flags |= 1 }), `"main.wasm" encrypted`},
		"bomb":             {lie(t, func(h *zip.FileHeader) { h.UncompressedSize64 = MaxUnzippedBytes + 1 }), "Unzipped size must be smaller than 262144000 bytes"},
		"bomb wraps round": {lie(t, func(h *zip.FileHeader) { h.UncompressedSize64 = 1<<64 - 1 }), "Unzipped size must be smaller than 262144000 bytes"},
		"empty":            {archive(t), "The archive is empty"},
		"only folders":     {archive(t, entry{Name: "a/", Mode: fs.ModeDir | 0o755}), "The archive is empty"},
		"no module":        {archive(t, entry{Name: "index.js", Data: []byte("x")}), `it holds "index.js"`},
		"several":          {archive(t, entry{Name: "a.wasm"}, entry{Name: "b.wasm"}), `("a.wasm", "b.wasm")`},
		"ELF bootstrap":    {archive(t, entry{Name: "bootstrap", Data: []byte("\x7fELF\x02\x01")}), "ELF"},
		"script bootstrap": {archive(t, entry{Name: "bootstrap", Data: []byte("#!/bin/sh\n")}), "a script"},
		"empty module":     {archive(t, entry{Name: "main.wasm"}), "an empty file"},
		"parent":           {archive(t, wasm, entry{Name: "../evil"}), `"../evil"`},
		"parent inside":    {archive(t, wasm, entry{Name: "a/../../evil"}), `"a/../../evil"`},
		"absolute":         {archive(t, wasm, entry{Name: "/etc/passwd"}), `"/etc/passwd" is absolute`},
		"backslash":        {archive(t, wasm, entry{Name: `a\b`}), "backslash"},
		"drive":            {archive(t, wasm, entry{Name: "C:evil"}), "drive letter"},
		"NUL":              {archive(t, wasm, entry{Name: "a\x00b"}), "NUL"},
		"bad UTF-8":        {archive(t, wasm, entry{Name: "a\xff"}), "UTF-8"},
		"symlink":          {archive(t, wasm, entry{Name: "l", Mode: fs.ModeSymlink | 0o777, Data: []byte("/etc")}), "symbolic links"},
		"symlink folder":   {archive(t, wasm, entry{Name: "l/", Mode: fs.ModeSymlink | 0o777}), "symbolic links"},
		"device":           {archive(t, wasm, entry{Name: "d", Mode: fs.ModeDevice | 0o600}), "neither a file nor a folder"},
		"twice":            {archive(t, wasm, wasm), `"main.wasm" twice`},
		"file and folder":  {archive(t, wasm, entry{Name: "a"}, entry{Name: "a/b/c"}), `"a" both as a file and as a folder`},
		"too deep":         {archive(t, wasm, entry{Name: strings.Repeat("a/", 300) + "b"}), "too deep"},
	} {
		_, err := Open(c.upload)
		var e *Error
		if !errors.As(err, &e) || e.Code != CodeInvalid || !strings.Contains(e.Message, c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestOpenRefusesTooLargeAnUpload(t *testing.T) {
	upload := make([]byte, MaxUploadBytes+1)
	copy(upload, module)
	var e *Error
	if _, err := Open(upload); !errors.As(err, &e) || e.Code != CodeTooLarge ||
		e.Message != "Zipped size must be smaller than 52428800 bytes" {
		t.Errorf("got %v", err)
	}
	if _, err := Open(upload[:MaxUploadBytes]); err != nil {
		t.Errorf("an upload of exactly the limit: %v", err)
	}
}

func TestOpenCountsEntriesBeforeReadingThem(t *testing.T) {
	upload := bytes.Repeat(centralHeader, MaxEntries+1)
	if _, err := Open(upload); err == nil || !strings.Contains(err.Error(), "more than 65536 files") {
		t.Errorf("got %v", err)
	}
}

// beside returns an archive of a good module and one raw entry with its header.
func beside(t testing.TB, h zip.FileHeader, content []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	f, err := w.Create("main.wasm")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(module); err != nil {
		t.Fatal(err)
	}
	if f, err = w.CreateRaw(&h); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// TestOpenDoubtsSizesOfOtherFiles: they are not unpacked, so only what they
// state can tell.
func TestOpenDoubtsSizesOfOtherFiles(t *testing.T) {
	for name, c := range map[string]struct {
		header zip.FileHeader
		want   error
	}{
		"possible ratio":   {zip.FileHeader{Method: zip.Deflate, CompressedSize64: 100, UncompressedSize64: 103_200}, nil},
		"impossible ratio": {zip.FileHeader{Method: zip.Deflate, CompressedSize64: 100, UncompressedSize64: 105_000}, errCorrupt},
		"sum wraps round":  {zip.FileHeader{Method: zip.Deflate, CompressedSize64: 1 << 60, UncompressedSize64: 1<<64 - 1}, errTooLargeUnzipped},
	} {
		c.header.Name = "data"
		if _, err := Open(beside(t, c.header, make([]byte, 100))); err != c.want {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// TestOpenSumsSizes uses stated sizes: only the module is unpacked by Open.
func TestOpenSumsSizes(t *testing.T) {
	for files, want := range map[int]error{3: nil, 4: errTooLargeUnzipped} {
		var buf bytes.Buffer
		w := zip.NewWriter(&buf)
		f, err := w.Create("main.wasm")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(module); err != nil {
			t.Fatal(err)
		}
		for i := range files {
			if _, err := w.CreateRaw(&zip.FileHeader{
				Name: fmt.Sprint(i), CompressedSize64: MaxUnzippedBytes / 4, UncompressedSize64: MaxUnzippedBytes / 4,
			}); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(buf.Bytes()); !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%d quarters of the limit: %v, want %v", files, err, want)
		}
	}
}
