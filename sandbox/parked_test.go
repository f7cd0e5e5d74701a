package sandbox

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// Whatever was written, the difference makes the image that memory again.
func TestADifferenceIsAllThatWasWritten(t *testing.T) {
	content := filled(2*mib, 11)
	img := imageFor(t, content)
	r := rand.New(rand.NewPCG(5, 6))
	for round := range 100 {
		s := newSpace(8 * mib)
		if err := s.load(img); err != nil {
			t.Fatal(err)
		}
		size := uint64((2 + round%3) * mib)
		b := s.bytes(size)
		for range r.IntN(300) {
			at := r.IntN(len(b) - 64)
			for n := range r.IntN(64) {
				b[at+n] = byte(r.IntN(3)) // often what was there
			}
		}
		p := s.difference(size)
		if p == nil {
			t.Skip("SKIPPED: there is no page map here")
		}
		again := make([]byte, size)
		copy(again, content)
		applyDelta(again, p.delta)
		if !bytes.Equal(again, b) {
			t.Fatalf("round %d: the memory came back otherwise", round)
		}
		s.free()
	}
}

func TestADifferenceIsSmall(t *testing.T) {
	s := newSpace(4 * mib)
	defer s.free()
	if err := s.load(imageFor(t, filled(2*mib, 12))); err != nil {
		t.Fatal(err)
	}
	b := s.bytes(3 * mib)
	for page := range 100 {
		b[page*7*imagePage]++ // in the image and behind it
	}
	p := s.difference(3 * mib)
	if p == nil {
		t.Skip("SKIPPED: there is no page map here")
	}
	if len(p.delta) > 100*12 {
		t.Errorf("%d bytes for a hundred that changed", len(p.delta))
	}
	for at := 0; at < 3*mib; at += imagePage {
		b[at]++
	}
	if s.difference(3*mib) == nil {
		t.Error("3 MiB of written pages are too much")
	}
	large := newSpace(32 * mib)
	defer large.free()
	if err := large.load(imageFor(t, filled(mib, 13))); err != nil {
		t.Fatal(err)
	}
	for b, at := large.bytes(32*mib), 0; at < maxParked+imagePage; at += imagePage {
		b[at]++
	}
	if large.difference(32*mib) != nil {
		t.Error("more than maxParked is not too much")
	}
}

// Where nothing can be mapped an instance is taken up on the heap, also when that
// turns out late.
func TestWhatWasParkedIsTakenUpOnTheHeap(t *testing.T) {
	img := imageFor(t, filled(2*mib, 21))
	from := newSpace(4 * mib)
	defer from.free()
	if err := from.load(img); err != nil {
		t.Fatal(err)
	}
	want := from.bytes(3 * mib)
	for at := 17; at < 3*mib; at += 100_000 {
		want[at]++
	}
	p := from.difference(3 * mib)
	if p == nil {
		t.Skip("SKIPPED: there is no page map here")
	}
	for name, s := range map[string]*space{"no room": {}, "room for less than the image": newSpace(mib)} {
		if err := p.load(s); err != nil {
			t.Fatal(err)
		}
		p.fill(s, 3*mib)
		if s.mapped != nil || !bytes.Equal(s.bytes(3*mib), want) {
			t.Errorf("%s: it is not on the heap as it was", name)
		}
	}
}
