package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
)

// An image is a linear memory that was written down: a file without a name, with
// holes where the memory was zero. Spaces map it copy-on-write, so that any number
// of instances share its pages until they write to them. It does not change.
//
// It is closed when the last one that retained it has released it; what is mapped
// stays mapped.
type image struct {
	file *os.File
	size uint64 // of the linear memory, in bytes
	kept int64  // bytes that are not holes
	view []byte // mapped for reading; nil where it cannot be
	uses atomic.Int64
	// working is what the first invocation of a guest wrote to, once that is
	// known: the next one's pages are made at once and not one by one.
	working  atomic.Pointer[[]run]
	learning atomic.Bool

	mu    sync.Mutex
	spare []*space // whose content is the image's; see keep
}

// A run is pages that follow each other, as offsets in bytes.
type run struct{ from, to uint64 }

func lengthOf(runs []run) (n uint64) {
	for _, r := range runs {
		n += r.to - r.from
	}
	return n
}

// imagePage is what is left out together if it is all zero: a page of the system.
const imagePage = 4096

// maxSpare is how many spaces of instances that have ended are kept for those to
// come: such a space is mapped, and has the pages that will be written to.
const maxSpare = 4

// keep makes the memory of an instance that has ended the image's again and keeps
// it, or gives it back: if there are enough, or if too much of it was written to.
func (img *image) keep(s *space) {
	if s.mapped == nil || s.image != img || !s.rewind(img) {
		s.free()
		return
	}
	s.top, s.warm = img.size, true
	img.mu.Lock()
	defer img.mu.Unlock()
	if len(img.spare) < maxSpare {
		img.spare = append(img.spare, s)
		return
	}
	s.free()
}

// take returns a space that was kept, with room for maximum bytes; nil if there
// is none.
func (img *image) take(maximum uint64) *space {
	img.mu.Lock()
	defer img.mu.Unlock()
	last := len(img.spare) - 1
	if last < 0 || uint64(len(img.spare[last].mapped)) != maximum {
		return nil
	}
	s := img.spare[last]
	img.spare[last], img.spare = nil, img.spare[:last]
	return s
}

// newImage writes a memory down; the caller has retained it.
func newImage(memory []byte) (*image, error) {
	return imageOf(uint64(len(memory)), func(w *imageWriter) error {
		for at := 0; at < len(memory); at += imagePage {
			if err := w.page(int64(at), memory[at:min(at+imagePage, len(memory))]); err != nil {
				return err
			}
		}
		return w.flush()
	})
}

// imageOf makes an image of size bytes, which write fills.
func imageOf(size uint64, write func(*imageWriter) error) (_ *image, err error) {
	img := &image{size: size}
	if img.file, err = newImageFile(); err != nil {
		return nil, fmt.Errorf("image: %w", err)
	}
	w := &imageWriter{file: img.file}
	if err = write(w); err == nil {
		err = img.file.Truncate(int64(size)) // there may be a hole at the end
	}
	if err == nil {
		err = seal(img.file)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("image: %w", err), img.file.Close())
	}
	img.kept, img.view = w.kept, share(img)
	img.uses.Store(1)
	return img, nil
}

// imageWriter writes what is not zero, and neighbours at once.
type imageWriter struct {
	file *os.File
	run  []byte
	at   int64 // of run
	kept int64
}

// maxRun bounds what is gathered for one write, in bytes.
const maxRun = 1 << 20

var zeroPage [imagePage]byte

func (w *imageWriter) page(at int64, content []byte) error {
	if bytes.Equal(content, zeroPage[:len(content)]) {
		return nil
	}
	if at != w.at+int64(len(w.run)) || len(w.run) >= maxRun {
		if err := w.flush(); err != nil {
			return err
		}
		w.at = at
	}
	w.run = append(w.run, content...)
	return nil
}

func (w *imageWriter) flush() error {
	n, err := w.file.WriteAt(w.run, w.at)
	w.kept += int64(n)
	w.run = w.run[:0]
	return err
}

// read copies all of the image.
func (img *image) read(to []byte) error {
	if _, err := img.file.ReadAt(to, 0); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("image: %w", err)
	}
	return nil
}

func (img *image) retain() *image {
	img.uses.Add(1)
	return img
}

func (img *image) release() error {
	if img.uses.Add(-1) > 0 {
		return nil
	}
	img.mu.Lock()
	defer img.mu.Unlock()
	for _, s := range img.spare {
		s.free()
	}
	img.spare = nil
	release(img.view)
	img.view = nil
	return img.file.Close()
}
