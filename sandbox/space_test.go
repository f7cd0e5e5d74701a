package sandbox

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

const mib = 1 << 20

// filled is a memory with content in some of its pages.
func filled(size int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, size)
	for range size / (4 * imagePage) {
		page := r.IntN(size/imagePage) * imagePage
		for i := range 64 {
			b[page+i*7] = byte(r.Uint32())
		}
	}
	return b
}

func imageFor(t *testing.T, content []byte) *image {
	t.Helper()
	img, err := newImage(content)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = img.release() })
	return img
}

func TestAnImageLeavesZerosOut(t *testing.T) {
	content := make([]byte, 3*mib)
	content[mib] = 1
	copy(content[2*mib:], bytes.Repeat([]byte{2}, 5*imagePage))
	img := imageFor(t, content)
	if img.kept != 6*imagePage {
		t.Errorf("%d bytes are kept, want six pages", img.kept)
	}
	got := make([]byte, len(content))
	if err := img.read(got); err != nil || !bytes.Equal(got, content) {
		t.Errorf("reads back otherwise, %v", err)
	}
}

// Whatever was written, read or grown, loading makes the memory the image's and
// zero behind it: by mapping, by copying back what was written, by dropping it.
func TestLoadingLeavesNothingOfWhatWasThere(t *testing.T) {
	first, second := filled(3*mib, 1), filled(2*mib, 2)
	images := []*image{imageFor(t, first), imageFor(t, second)}
	contents := [][]byte{first, second}
	r := rand.New(rand.NewPCG(3, 4))
	s := newSpace(16 * mib)
	defer s.free()
	for round := range 200 {
		n := round / 7 % 2 // mostly the same one again
		if err := s.load(images[n]); err != nil {
			t.Fatal(err)
		}
		want := contents[n]
		size := uint64(len(want))
		if round%3 != 0 {
			size += uint64(r.IntN(4) * mib)
		}
		b := s.bytes(size)
		if !bytes.Equal(b[:len(want)], want) || bytes.ContainsFunc(b[len(want):], func(r rune) bool { return r != 0 }) {
			t.Fatalf("round %d: something is left", round)
		}
		writes := 1 + r.IntN(40)
		if round%10 == 9 {
			writes = len(b) / imagePage // more than is copied back
		}
		for range writes {
			b[r.IntN(len(b))] ^= byte(1 + r.IntN(255))
		}
	}
}

func TestSpacesShareAnImageAndNotWhatTheyWrite(t *testing.T) {
	img := imageFor(t, filled(mib, 5))
	a, b := newSpace(2*mib), newSpace(2*mib)
	defer a.free()
	defer b.free()
	for _, s := range []*space{a, b} {
		if err := s.load(img); err != nil {
			t.Fatal(err)
		}
	}
	a.bytes(mib)[0] ^= 0xff
	if a.bytes(mib)[0] == b.bytes(mib)[0] {
		t.Error("what one writes the other reads")
	}
	var there [1]byte
	if _, err := img.file.ReadAt(there[:], 0); err != nil || there[0] != b.bytes(mib)[0] {
		t.Error("the image has changed")
	}
	if _, err := img.file.WriteAt([]byte{1}, 0); err == nil && mapNoReserve != 0 {
		t.Error("the image can be written to")
	}
}

func TestASpaceEndsAtItsMaximum(t *testing.T) {
	s := newSpace(mib)
	defer s.free()
	if s.mapped != nil && s.bytes(mib+1) != nil {
		t.Error("more than the maximum")
	}
	if err := s.load(imageFor(t, filled(2*mib, 6))); err == nil && s.mapped != nil {
		t.Error("an image larger than the maximum was loaded")
	}
}

// A space on the Go heap is the same to whoever uses it.
func TestASpaceOnTheHeap(t *testing.T) {
	content := filled(mib, 7)
	img := imageFor(t, content)
	s := &space{}
	for range 2 {
		if err := s.load(img); err != nil {
			t.Fatal(err)
		}
		b := s.bytes(2 * mib)
		if !bytes.Equal(b[:mib], content) || !bytes.Equal(b[mib:], make([]byte, mib)) {
			t.Error("loaded otherwise")
		}
		b[0]++
		b[mib]++
	}
}

// The pages that a guest writes to are known to the byte's page, so that they can
// be made for the next one.
func TestWrittenPagesAreFound(t *testing.T) {
	s := newSpace(4 * mib)
	defer s.free()
	if err := s.load(imageFor(t, filled(mib, 8))); err != nil {
		t.Fatal(err)
	}
	b := s.bytes(2 * mib)
	_ = b[5*imagePage]
	b[7*imagePage]++
	b[8*imagePage+9]++
	b[mib+imagePage]++
	runs, ok := s.written()
	if !ok {
		t.Skip("SKIPPED: there is no page map here")
	}
	want := []run{{7 * imagePage, 9 * imagePage}, {mib + imagePage, mib + 2*imagePage}}
	if len(runs) != 2 || runs[0] != want[0] || runs[1] != want[1] {
		t.Errorf("found %v, want %v", runs, want)
	}
}

// A space that is kept for the next has nothing of the one before, and one that
// was written to all over is given back.
func TestSpacesAreKeptForTheNext(t *testing.T) {
	content := filled(8*mib, 9)
	img := imageFor(t, content)
	used := func(writes int) *space {
		s := newSpace(16 * mib)
		if err := s.load(img); err != nil {
			t.Fatal(err)
		}
		b := s.bytes(9 * mib)
		for n := range writes {
			b[n*imagePage]++
			b[8*mib]++
		}
		return s
	}
	first := used(20)
	if _, known := first.written(); !known {
		t.Skip("SKIPPED: there is no page map here")
	}
	for range maxSpare + 2 {
		img.keep(used(20))
	}
	if len(img.spare) != maxSpare {
		t.Errorf("%d are kept, want %d", len(img.spare), maxSpare)
	}
	if img.take(8*mib) != nil {
		t.Error("one of another size was handed out")
	}
	for range maxSpare {
		s := img.take(16 * mib)
		if s == nil {
			t.Fatal("none is there")
		}
		b := s.bytes(9 * mib)
		if !bytes.Equal(b[:8*mib], content) || !bytes.Equal(b[8*mib:], make([]byte, mib)) {
			t.Error("something is left of the one before")
		}
		s.free()
	}
	if img.take(16*mib) != nil {
		t.Error("there are more than were kept")
	}
	img.keep(used(4 * mib / imagePage))
	if len(img.spare) != 0 {
		t.Error("one with megabytes of its own was kept")
	}
}
