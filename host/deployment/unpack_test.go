package deployment

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestUnpackKeepsModesAndLinks(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tree")
	size, err := Unpack(archive(t,
		entry{Name: "extensions/", Mode: fs.ModeDir | 0o700},
		entry{Name: "extensions/run", Data: []byte("#!/bin/sh\n"), Mode: 0o755},
		entry{Name: "lib/deep/data", Data: []byte("data"), Mode: 0o600},
		entry{Name: "lib/link", Data: []byte("deep/data"), Mode: fs.ModeSymlink | 0o777},
	), dir)
	if err != nil || size != int64(len("#!/bin/sh\n")+len("data")) {
		t.Fatalf("%d bytes, %v", size, err)
	}
	for name, mode := range map[string]fs.FileMode{"extensions": fs.ModeDir | 0o755, "extensions/run": 0o755, "lib/deep/data": 0o644} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode() != mode {
			t.Errorf("%s is %v, %v; want %v", name, info.Mode(), err, mode)
		}
	}
	if text, err := os.ReadFile(filepath.Join(dir, "lib", "link")); err != nil || string(text) != "data" {
		t.Errorf("the link leads to %q, %v", text, err)
	}
}

func TestUnpackStaysInItsFolder(t *testing.T) {
	link := func(name, to string) entry { return entry{Name: name, Data: []byte(to), Mode: fs.ModeSymlink | 0o777} }
	for name, entries := range map[string][]entry{
		"a name that leads out":       {{Name: "../out", Data: []byte("x")}},
		"an absolute name":            {{Name: "/out", Data: []byte("x")}},
		"a file below a link":         {link("up", ".."), {Name: "up/out", Data: []byte("x")}},
		"a file below a link, before": {{Name: "up/out", Data: []byte("x")}, link("up", "..")},
		"a folder below a link":       {link("up", ".."), {Name: "up/out/", Mode: fs.ModeDir | 0o755}},
		"a file over a link":          {link("out", "../out"), {Name: "out", Data: []byte("x")}},
		"a device":                    {{Name: "null", Mode: fs.ModeDevice | 0o666}},
		"a link without text":         {link("empty", "")},
		"a link that is too long":     {link("long", strings.Repeat("x", maxLink+1))},
		"nothing":                     {},
	} {
		t.Run(name, func(t *testing.T) {
			outer := t.TempDir()
			_, err := Unpack(archive(t, entries...), filepath.Join(outer, "tree"))
			var refused *Error
			if !errors.As(err, &refused) || refused.Code != CodeInvalid {
				t.Errorf("error %v, want an invalid parameter", err)
			}
			if _, err := os.Lstat(filepath.Join(outer, "out")); !errors.Is(err, fs.ErrNotExist) {
				t.Error("a file was written outside")
			}
		})
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(archive(f, entry{Name: "extensions/run", Data: []byte("x"), Mode: 0o755}, entry{Name: "l", Data: []byte("extensions"), Mode: fs.ModeSymlink | 0o777}))
	f.Add(archive(f, entry{Name: "d/", Mode: fs.ModeDir | 0o755}))
	f.Add([]byte("PK"))
	f.Fuzz(func(t *testing.T, upload []byte) {
		outer := t.TempDir()
		dir := filepath.Join(outer, "tree")
		size, err := Unpack(upload, dir)
		if err != nil {
			var refused *Error
			if !errors.As(err, &refused) {
				t.Fatalf("not told as the archive's fault: %v", err)
			}
			return
		}
		var found int64
		walked := filepath.WalkDir(outer, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && path != outer && path != dir && !strings.HasPrefix(path, dir+string(filepath.Separator)) {
				t.Errorf("%s is outside", path)
			}
			if err == nil && entry.Type().IsRegular() {
				info, _ := entry.Info()
				found += info.Size()
			}
			return err
		})
		if walked != nil || found != size {
			t.Errorf("%d bytes are there, %d were told, %v", found, size, walked)
		}
	})
}
