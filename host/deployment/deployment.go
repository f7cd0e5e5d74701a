// Package deployment turns what a user uploads (a zip archive or a bare
// WebAssembly module) into a module and the files beside it, and refuses
// archives made to exhaust the host or to reach outside their folder.
//
// It looks at bytes only and keeps nothing. Start with [Open]; the rules for
// archives are in archive.go, the read-only file system in files.go. Read next:
// package catalogue, which stores uploads.
package deployment

import (
	"bytes"
	"io/fs"
)

// Limits of the Lambda service (developer guide, "Lambda quotas"; the messages
// are those the service answers with).
const (
	// MaxUploadBytes is the largest upload, zipped or bare.
	MaxUploadBytes = 52428800
	// MaxUnzippedBytes is the largest sum of the sizes of an archive's files.
	MaxUnzippedBytes = 262144000
	// MaxEntries is the largest number of files and folders in an archive. It is
	// Lambent's own limit.
	MaxEntries = 65536
)

// Error codes of the Lambda API that an upload can end in.
const (
	// CodeInvalid is answered with status 400.
	CodeInvalid = "InvalidParameterValueException"
	// CodeTooLarge is answered with status 413.
	CodeTooLarge = "RequestEntityTooLargeException"
)

// Error refuses an upload. Code is one of the Code constants, Message is meant
// for the user.
type Error struct {
	Code    string
	Message string
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Package is an upload that was accepted.
type Package struct {
	// Wasm is the module. Only its first four bytes have been looked at.
	Wasm []byte
	// Files is the content of the archive, read-only; files are unpacked while
	// they are read. nil for a bare module. Safe for concurrent use.
	Files fs.FS
}

var wasmMagic = []byte("\x00asm")

// Open reads an upload: a bare module, or a zip archive with the module inside
// as "bootstrap", as "main.wasm", or as the only file that ends in ".wasm" (the
// first of these that exists). The package keeps upload in use: it must not be
// changed afterwards. Every error is an *Error.
func Open(upload []byte) (*Package, error) {
	if len(upload) > MaxUploadBytes {
		return nil, &Error{CodeTooLarge, "Zipped size must be smaller than 52428800 bytes"}
	}
	if bytes.HasPrefix(upload, wasmMagic) {
		return &Package{Wasm: upload}, nil
	}
	return openArchive(upload)
}

// describe names what the first bytes of a file look like, for messages.
func describe(head []byte) string {
	switch {
	case len(head) == 0:
		return "an empty file"
	case bytes.HasPrefix(head, []byte("\x7fELF")):
		return "a native Linux program (ELF); build it for GOOS=wasip1 GOARCH=wasm, or your language's WASI target"
	case bytes.HasPrefix(head, []byte("#!")):
		return "a script"
	case bytes.HasPrefix(head, []byte("MZ")):
		return "a Windows program"
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return "a zip archive inside the archive"
	}
	return "something else"
}
