package telemetry

import (
	"encoding/json"
	"math/bits"
	"sync"
)

// shared is what the readers of one event have in common: the texts that several
// of them will want. The publisher makes it, and only if there are such.
type shared []sharedText

// sharedText is an event as one class of encodings has it. The reader that comes
// first writes it, the last one takes it away.
type sharedText struct {
	class uint16

	mu      sync.Mutex
	readers int    // that have not had it yet
	text    []byte // nil until it is written, and after the last reader
	ends    []int
}

// share finds out which texts of an event of the category several subscriptions
// will want.
func share(c Category, lists ...[]*Subscription) shared {
	var once, twice uint16
	for _, subs := range lists {
		for _, sub := range subs {
			if sub.categories&c.bit() != 0 {
				twice |= once & sub.class
				once |= sub.class
			}
		}
	}
	if twice == 0 {
		return nil
	}
	texts := make(shared, bits.OnesCount16(twice))
	for i := range texts {
		t := &texts[i]
		t.class = twice & -twice // the lowest
		twice &^= t.class
		for _, subs := range lists {
			for _, sub := range subs {
				if sub.class == t.class && sub.categories&c.bit() != 0 {
					t.readers++
				}
			}
		}
	}
	return texts
}

// of returns the text of a class; nil if it is not shared.
func (sh shared) of(class uint16) *sharedText {
	for i := range sh {
		if sh[i].class == class {
			return &sh[i]
		}
	}
	return nil
}

// skip tells that a reader will not have the event.
func (sh shared) skip(class uint16) {
	t := sh.of(class)
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hadByOne()
}

func (t *sharedText) hadByOne() {
	if t.readers--; t.readers <= 0 {
		t.text, t.ends = nil, nil
	}
}

// append is [Event.Append] for one of several readers. Those that come while the
// first one writes wait for it.
func (t *sharedText) append(dst []byte, ends []int, e Event, as Encoding) ([]byte, []int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	begin, items := len(dst), len(ends)
	if t.text != nil {
		dst = append(dst, t.text...)
		for _, end := range t.ends {
			ends = append(ends, begin+end)
			dst[begin+end] = as.Separator
		}
		t.hadByOne()
		return dst, ends, nil
	}
	dst, ends, err := e.appendForms(dst, ends, as)
	if err == nil && t.readers > 1 {
		t.text = append(make([]byte, 0, len(dst)-begin), dst[begin:]...)
		for _, end := range ends[items:] {
			t.ends = append(t.ends, end-begin)
		}
	}
	t.hadByOne()
	return dst, ends, err
}

// weighed returns the event with what it counts for in a buffer. A text that is
// kept for other readers counts for each of them, exactly where somebody else chose
// its size.
func (e Event) weighed() Event {
	e.weight = e.size()
	if e.shared == nil {
		return e
	}
	switch r := e.Record.(type) {
	case string:
		e.weight += quotedLen(r)
	case json.RawMessage:
		e.weight += quotedLen(string(r)) // none of its forms is longer
	default:
		e.weight += 1 << 10
	}
	return e
}

// load is what the event counts for in a buffer.
func (e Event) load() int {
	if e.weight > 0 {
		return e.weight
	}
	return e.size()
}

// alone is the event for a reader in the place of another, with which its publisher
// has reckoned.
func (e Event) alone(instead *Subscription) Event {
	if instead.categories&e.Type.Category().bit() != 0 {
		e.shared.skip(instead.class)
	}
	e.shared, e.weight = nil, 0
	return e
}
