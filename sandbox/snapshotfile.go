package sandbox

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
)

// CorruptError says why a file is not taken for a snapshot: it was torn, changed,
// or made for another module, engine or version. The same file is refused every
// time; making a new snapshot is the cure.
type CorruptError struct {
	Path string
	// Reason is one lower-case sentence.
	Reason string
}

// Error names the file and the reason.
func (e *CorruptError) Error() string { return "snapshot " + e.Path + ": " + e.Reason }

// madeWith names what a snapshot is made with beside the module.
const madeWith = "wazero " + engineVersion

// Save writes the snapshot to a file, whole or not at all: what was there before
// stays until all of it is on disk. Pages that are zero take no room. Whoever can
// read the file can read what the function had in memory; it is made readable to
// its owner alone.
func (s *Snapshot) Save(path string) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".snapshot-*")
	if err != nil {
		return fmt.Errorf("saving a snapshot: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("saving a snapshot: %w", err), f.Close(), os.Remove(f.Name()))
		}
	}()
	if err = s.write(f); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	return errors.Join(f.Close(), syncDir(dir))
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// write encodes the snapshot: a head, the pages it names, and a MAC of both.
func (s *Snapshot) write(to io.Writer) error {
	h := snapshotHead{engine: madeWith, module: s.digest, size: s.image.size,
		clock: s.clock, taken: s.taken, globals: s.globals}
	if err := s.image.pages(func(at int64, _ []byte) error { h.add(uint32(at / imagePage)); return nil }); err != nil {
		return err
	}
	digest := hmac.New(sha256.New, s.key)
	buffered := bufio.NewWriterSize(io.MultiWriter(to, digest), 1<<18)
	if _, err := buffered.Write(h.encode()); err != nil {
		return err
	}
	if err := s.image.pages(func(_ int64, page []byte) error { _, err := buffered.Write(page); return err }); err != nil {
		return err
	}
	if err := buffered.Flush(); err != nil {
		return err
	}
	_, err := to.Write(digest.Sum(nil))
	return err
}

// pages calls f for each page that is not zero, in ascending order.
func (img *image) pages(f func(at int64, page []byte) error) error {
	block := make([]byte, maxRun)
	for at := int64(0); at < int64(img.size); at += maxRun {
		b := block[:min(maxRun, int64(img.size)-at)]
		if _, err := img.file.ReadAt(b, at); err != nil {
			return fmt.Errorf("image: %w", err)
		}
		for p := 0; p < len(b); p += imagePage {
			if page := b[p : p+imagePage]; !bytes.Equal(page, zeroPage[:]) {
				if err := f(at+int64(p), page); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// LoadSnapshot reads a snapshot of this module that [Snapshot.Save] has written.
// What is restored is the copy that was read and checked; the file may change or
// go afterwards. A file that is not what was written, by an engine with the same
// [Config].CacheKey, is a *CorruptError. Without a key damage is found and malice
// is not: whoever can write to the folder can then choose what a guest has in its
// memory, but not leave the sandbox with it.
func (m *Module) LoadSnapshot(path string) (*Snapshot, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("loading a snapshot: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	s, err := m.readSnapshot(f)
	var damage *damaged
	if errors.As(err, &damage) {
		return nil, &CorruptError{Path: path, Reason: damage.reason}
	}
	if err != nil {
		return nil, fmt.Errorf("loading a snapshot: %w", err)
	}
	return s, nil
}

func (m *Module) readSnapshot(f io.Reader) (*Snapshot, error) {
	r := &digestReader{r: bufio.NewReaderSize(f, 1<<18), digest: hmac.New(sha256.New, m.engine.cfg.CacheKey)}
	h, err := readHead(r)
	if err != nil {
		return nil, err
	}
	if err := m.fits(h); err != nil {
		return nil, err
	}
	img, err := imageOf(h.size, func(w *imageWriter) error { return r.pages(h, w) })
	if err != nil {
		return nil, err
	}
	return &Snapshot{image: img, globals: h.globals, digest: h.module, key: m.engine.cfg.CacheKey, clock: h.clock, taken: h.taken}, nil
}

// fits tells whether a guest of this module can be what the head describes. What
// it passes is safe to restore, whoever has written it.
func (m *Module) fits(h *snapshotHead) error {
	switch {
	case h.module != m.digest:
		return &damaged{"it is of another module"}
	case h.engine != madeWith:
		return &damaged{"it was made with " + h.engine}
	}
	blank, err := m.blank(context.Background())
	switch {
	case err != nil:
		return err
	case blank == nil:
		return &damaged{"the module cannot be captured"}
	case len(h.globals) != len(blank.globals):
		return &damaged{fmt.Sprintf("it has %d globals, the module has %d", len(h.globals), len(blank.globals))}
	case h.size%pageBytes != 0 || h.size < blank.image.size:
		return &damaged{fmt.Sprintf("it has %d bytes of memory, which the module cannot have", h.size)}
	case h.size > m.maxMemory():
		return fmt.Errorf("it has %d bytes of memory, the limit is %d", h.size, m.maxMemory())
	}
	return nil
}

// digestReader hashes what it reads.
type digestReader struct {
	r      io.Reader
	digest hash.Hash
}

// full reads all of b.
func (d *digestReader) full(b []byte) error {
	if _, err := io.ReadFull(d.r, b); err != nil {
		return tornOr(err)
	}
	d.digest.Write(b)
	return nil
}

func tornOr(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &damaged{"it ends too early"}
	}
	return err
}

// pages reads the pages that a head names, the digest, and the end.
func (d *digestReader) pages(h *snapshotHead, w *imageWriter) error {
	var page [imagePage]byte
	for _, run := range h.runs {
		for n := range run.pages {
			if err := d.full(page[:]); err != nil {
				return err
			}
			if err := w.page(int64(run.first+n)*imagePage, page[:]); err != nil {
				return err
			}
		}
	}
	if err := w.flush(); err != nil {
		return err
	}
	var stored [sha256.Size + 1]byte
	switch n, err := io.ReadFull(d.r, stored[:]); {
	case err == nil:
		return &damaged{"it goes on behind its end"}
	case n < sha256.Size:
		return tornOr(err)
	case !hmac.Equal(stored[:n], d.digest.Sum(nil)):
		return &damaged{"its digest is wrong"}
	}
	return nil
}
