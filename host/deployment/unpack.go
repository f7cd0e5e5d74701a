package deployment

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
)

// maxLink is the longest text of a symbolic link in an archive, in bytes.
const maxLink = 4096

// Unpack writes what is in the zip archive of a layer to a new folder and returns
// how many bytes that is. Nothing is written outside the folder: names that could
// lead there, through the archive's own links too, are refused. Files keep whether
// they can be executed, and symbolic links are made as they are, as on Lambda. What
// is wrong with the archive is an *Error.
func Unpack(upload []byte, dir string) (size int64, err error) {
	if len(upload) > MaxUploadBytes {
		return 0, &Error{CodeTooLarge, "Zipped size must be smaller than 52428800 bytes"}
	}
	archive, err := readArchive(upload, true)
	if err != nil {
		return 0, err
	}
	if len(archive.File) == 0 {
		return 0, invalid("The archive is empty.")
	}
	if err := os.Mkdir(dir, 0o755); err != nil { //nolint:gosec // it is read by other users: extensions have theirs
		return 0, fmt.Errorf("unpack: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return 0, fmt.Errorf("unpack: %w", err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	for _, f := range archive.File {
		n, err := unpackFile(root, f)
		if err != nil {
			return 0, err
		}
		size += n
	}
	return size, nil
}

// readArchive reads the directory of an archive and checks all that it says.
func readArchive(upload []byte, links bool) (*zip.Reader, error) {
	// Counted before the directory is read: reading it costs some hundred bytes
	// of memory for 46 of the attacker's.
	if n := bytes.Count(upload, centralHeader); n > MaxEntries {
		return nil, invalid("The archive has more than %d files.", MaxEntries)
	}
	archive, err := zip.NewReader(bytes.NewReader(upload), int64(len(upload)))
	// Insecure names are found, and named, by checkNames.
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return nil, errCorrupt
	}
	if err := checkNames(archive.File, links); err != nil {
		return nil, err
	}
	if err := checkSizes(archive.File); err != nil {
		return nil, err
	}
	return archive, nil
}

func unpackFile(root *os.Root, f *zip.File) (int64, error) {
	name := strings.TrimSuffix(f.Name, "/")
	folder := name
	if !f.Mode().IsDir() {
		folder = path.Dir(name)
	}
	if err := root.MkdirAll(folder, 0o755); err != nil {
		return 0, fmt.Errorf("unpack: %w", err)
	}
	switch f.Mode().Type() {
	case fs.ModeDir:
		return 0, nil
	case fs.ModeSymlink:
		return 0, unpackLink(root, name, f)
	}
	perm := fs.FileMode(0o644)
	if f.Mode()&0o111 != 0 {
		perm = 0o755
	}
	to, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, perm)
	if err != nil {
		return 0, fmt.Errorf("unpack: %w", err)
	}
	n, err := copyFile(to, f)
	if err = errors.Join(err, to.Sync(), to.Close()); err != nil {
		return 0, err
	}
	return n, nil
}

// copyFile asks for one byte more than stated, so that an entry that is longer
// than it says is found.
func copyFile(to io.Writer, f *zip.File) (int64, error) {
	from, err := f.Open()
	if err != nil {
		return 0, errCorrupt
	}
	defer func() { _ = from.Close() }() // only read
	n, err := io.Copy(to, io.LimitReader(from, int64(f.UncompressedSize64)+1))
	var failed *fs.PathError
	switch {
	case errors.As(err, &failed): // the disk, not the archive
		return n, fmt.Errorf("unpack: %w", err)
	case err != nil || n != int64(f.UncompressedSize64):
		return n, errCorrupt
	}
	return n, nil
}

func unpackLink(root *os.Root, name string, f *zip.File) error {
	var text bytes.Buffer
	if f.UncompressedSize64 > maxLink {
		return invalid("The archive holds %q, a symbolic link of more than %d bytes.", clip(f.Name), maxLink)
	}
	if _, err := copyFile(&text, f); err != nil {
		return err
	}
	if text.Len() == 0 || strings.ContainsRune(text.String(), 0) {
		return errCorrupt
	}
	if err := root.Symlink(text.String(), name); err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	return nil
}
