package sandbox

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"testing"
	"time"
)

func someHead() *snapshotHead {
	return &snapshotHead{engine: "an engine", module: "a module", size: 4 * pageBytes, clock: time.Second,
		taken: time.Unix(1, 2), globals: []uint64{7, 1 << 63}, runs: []pageRun{{0, 2}, {5, 1}}}
}

func TestAHeadIsReadAsItWasWritten(t *testing.T) {
	want := someHead()
	got, err := readHead(&digestReader{r: bytes.NewReader(want.encode()), digest: sha256.New()})
	if err != nil {
		t.Fatal(err)
	}
	if got.engine != want.engine || got.module != want.module || got.size != want.size || got.clock != want.clock ||
		!got.taken.Equal(want.taken) || !slices.Equal(got.globals, want.globals) || !slices.Equal(got.runs, want.runs) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestAHeadThatCannotBeIsRefused(t *testing.T) {
	for name, spoil := range map[string]func(*snapshotHead){
		"pages twice":            func(h *snapshotHead) { h.runs = []pageRun{{0, 2}, {1, 1}} },
		"runs that touch":        func(h *snapshotHead) { h.runs = []pageRun{{0, 2}, {2, 1}} },
		"an empty run":           func(h *snapshotHead) { h.runs = []pageRun{{0, 0}} },
		"pages outside":          func(h *snapshotHead) { h.runs = []pageRun{{63, 2}} },
		"pages that overflow":    func(h *snapshotHead) { h.runs = []pageRun{{1<<32 - 1, 1<<32 - 1}} },
		"too large a memory":     func(h *snapshotHead) { h.size = 1 << 40 },
		"a clock gone backward":  func(h *snapshotHead) { h.clock = -1 },
		"a clock that overflows": func(h *snapshotHead) { h.clock = 1<<63 - 1 },
		"a day before the epoch": func(h *snapshotHead) { h.taken = time.Unix(-1, 0) },
		"too long a text":        func(h *snapshotHead) { h.engine = string(make([]byte, maxText+1)) },
	} {
		h := someHead()
		spoil(h)
		if _, err := decodeHead(h.encode()[fixedHead:]); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	whole := someHead().encode()[fixedHead:]
	for n := range whole {
		if _, err := decodeHead(whole[:n]); err == nil {
			t.Errorf("the first %d bytes of %d: accepted", n, len(whole))
		}
	}
	if _, err := decodeHead(append(slices.Clip(whole), 0)); err == nil {
		t.Error("a byte too many: accepted")
	}
}

// FuzzSnapshotHead holds that there is one encoding of each head, and that what is
// accepted lies within the memory.
func FuzzSnapshotHead(f *testing.F) {
	f.Add(someHead().encode()[fixedHead:])
	f.Add((&snapshotHead{taken: time.Unix(0, 0)}).encode()[fixedHead:])
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := decodeHead(b)
		if err != nil {
			return
		}
		if again := h.encode()[fixedHead:]; !bytes.Equal(again, b) {
			t.Errorf("read %x, and wrote %x", b, again)
		}
		for _, run := range h.runs {
			if (uint64(run.first)+uint64(run.pages))*imagePage > h.size {
				t.Errorf("%+v of %d bytes", run, h.size)
			}
		}
	})
}
