package deployment

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxRatio is the best that deflate can do (1032:1). A file that claims more is
// lying about its size.
const maxRatio = 1032

// centralHeader begins each entry of a zip's directory (APPNOTE 4.3.12).
var centralHeader = []byte("PK\x01\x02")

var errCorrupt = &Error{CodeInvalid, "Could not unzip uploaded file. Please check your file, then try to upload again."}

func invalid(format string, args ...any) *Error {
	return &Error{CodeInvalid, fmt.Sprintf(format, args...)}
}

func openArchive(upload []byte) (*Package, error) {
	archive, err := readArchive(upload, false)
	if err != nil {
		return nil, err
	}
	module, err := findModule(archive.File)
	if err != nil {
		return nil, err
	}
	wasm, err := readModule(module)
	if err != nil {
		return nil, err
	}
	return &Package{Wasm: wasm, Files: newFiles(archive)}, nil
}

// checkNames refuses every name that could mean another file than it says, on
// any system: the archive's own tree is all it may describe. Symbolic links are
// refused unless links is set.
func checkNames(files []*zip.File, links bool) error {
	isDir := make(map[string]bool, len(files))
	for _, f := range files {
		name := strings.TrimSuffix(f.Name, "/")
		if reason := badName(name); reason != "" {
			return invalid("The archive holds a file with an unsafe name: %q %s.", clip(f.Name), reason)
		}
		mode := f.Mode()
		if t := mode.Type(); t != 0 && t != fs.ModeDir && !(links && t == fs.ModeSymlink) {
			return invalid("The archive holds %q, which is neither a file nor a folder (symbolic links are supported in layers only).", clip(f.Name))
		}
		if mode.IsDir() && !strings.HasSuffix(f.Name, "/") {
			return errCorrupt
		}
		if _, twice := isDir[name]; twice {
			return invalid("The archive holds %q twice.", clip(f.Name))
		}
		isDir[name] = mode.IsDir()
	}
	for _, f := range files {
		for dir := path.Dir(strings.TrimSuffix(f.Name, "/")); dir != "."; dir = path.Dir(dir) {
			if known, ok := isDir[dir]; ok && !known {
				return invalid("The archive holds %q both as a file and as a folder.", clip(dir))
			}
		}
	}
	return nil
}

func badName(name string) string {
	switch {
	case name == "":
		return "is empty"
	case !utf8.ValidString(name):
		return "is not UTF-8"
	case len(name) > 4096:
		return "is too long"
	case strings.HasPrefix(name, "/"):
		return "is absolute"
	case strings.ContainsAny(name, "\\\x00"):
		return "has a backslash or a NUL in it"
	case len(name) > 1 && name[1] == ':':
		return "begins with a drive letter"
	case strings.Count(name, "/") > 255:
		return "is too deep"
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part == "." || part == ".." {
			return "has an empty part, \".\" or \"..\" in it"
		}
	}
	return ""
}

// checkSizes believes the sizes the archive states; readers hold it to them.
func checkSizes(files []*zip.File) error {
	var total uint64
	for _, f := range files {
		if f.UncompressedSize64 > MaxUnzippedBytes {
			return errTooLargeUnzipped
		}
		if total += f.UncompressedSize64; total > MaxUnzippedBytes {
			return errTooLargeUnzipped
		}
		switch {
		case f.Method != zip.Store && f.Method != zip.Deflate:
			return invalid("The archive packs %q with method %d; only stored and deflated files are supported.", clip(f.Name), f.Method)
		case f.Flags&1 != 0:
			return invalid("The archive holds %q encrypted.", clip(f.Name))
		case f.Method == zip.Store && f.CompressedSize64 != f.UncompressedSize64,
			f.UncompressedSize64 > maxRatio*(f.CompressedSize64+1):
			return errCorrupt
		}
	}
	return nil
}

var errTooLargeUnzipped = &Error{CodeInvalid, "Unzipped size must be smaller than 262144000 bytes"}

// findModule picks the entry that holds the function.
func findModule(files []*zip.File) (*zip.File, error) {
	var main *zip.File
	var modules, names []string
	var only *zip.File
	for _, f := range files {
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		names = append(names, f.Name)
		switch {
		case f.Name == "bootstrap":
			return f, nil
		case f.Name == "main.wasm":
			main = f
		case strings.HasSuffix(f.Name, ".wasm"):
			only, modules = f, append(modules, f.Name)
		}
	}
	switch {
	case main != nil:
		return main, nil
	case len(modules) == 1:
		return only, nil
	case len(modules) > 1:
		return nil, invalid("The archive holds several WebAssembly modules (%s); name the function's module main.wasm or bootstrap.", list(modules))
	case len(names) == 0:
		return nil, invalid("The archive is empty; it must hold a WebAssembly module named bootstrap, main.wasm or *.wasm.")
	}
	return nil, invalid("The archive holds no WebAssembly module (bootstrap, main.wasm or *.wasm); it holds %s.", list(names))
}

// readModule unpacks the module. One byte more than stated is asked for, so
// that an entry that is longer than it says is found.
func readModule(f *zip.File) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, errCorrupt
	}
	defer func() { _ = r.Close() }() // only read
	head := make([]byte, min(64, f.UncompressedSize64))
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, errCorrupt
	}
	if !bytes.HasPrefix(head, wasmMagic) {
		return nil, invalid("The file %q in the archive is not a WebAssembly module: it looks like %s.", clip(f.Name), describe(head))
	}
	rest, err := io.ReadAll(io.LimitReader(r, int64(f.UncompressedSize64)-int64(len(head))+1))
	if err != nil || uint64(len(head)+len(rest)) != f.UncompressedSize64 {
		return nil, errCorrupt
	}
	return slices.Concat(head, rest), nil
}

// list joins the first few names for a message.
func list(names []string) string {
	const show = 5
	clipped := make([]string, 0, show)
	for _, n := range names[:min(show, len(names))] {
		clipped = append(clipped, fmt.Sprintf("%q", clip(n)))
	}
	s := strings.Join(clipped, ", ")
	if more := len(names) - show; more > 0 {
		s += fmt.Sprintf(" and %d more", more)
	}
	return s
}

// clip shortens a name that an attacker chose.
func clip(name string) string {
	if len(name) <= 120 {
		return name
	}
	return name[:120] + "..."
}
