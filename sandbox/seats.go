package sandbox

import (
	"context"
	"errors"
	"sync"
	"time"
)

// maxFreeSeats is how many seats of a module are kept though nothing runs on
// them. Each is some hundred kilobytes for a Go module.
const maxFreeSeats = 64

// seatRest is how long a free seat stays its instance's while there may be more of
// them: instances that are called in turn would otherwise park each other with every
// call, which costs more than most calls do.
const seatRest = time.Second

// seats are those of one module on which nothing runs, and that are not tied to
// their instance: from the one that is to be taken next to the one that was used
// last. An instance finds its own again while nobody needed it. Safe for
// concurrent use.
type seats struct {
	mu     sync.Mutex
	first  *seat
	last   *seat
	n      int
	closed bool
}

// claim takes the seat that an instance has, or one that it can have; nil if
// there is none.
func (p *seats) claim(i *Instance) *seat {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := i.seat; s != nil {
		p.remove(s)
		return s
	}
	for s := p.first; s != nil; s = p.first {
		if s.sitter != nil && p.n < maxFreeSeats && time.Since(s.used) < seatRest {
			return nil // the one that was used longest ago: the others were later
		}
		p.remove(s)
		lost := s.sitter
		if s.vacate() {
			s.sit(i)
			s.evicted = lost
			return s
		}
	}
	return nil
}

// seated tells whether an instance has a seat.
func (p *seats) seated(i *Instance) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return i.seat != nil
}

// take gives an instance a seat that is not in the list.
func (p *seats) take(i *Instance, s *seat) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.sit(i)
}

// release puts a seat back after a call. What it returns is to be closed.
func (p *seats) release(s *seat) *seat {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.tied {
		return nil
	}
	s.used = time.Now()
	p.append(s)
	for v := p.first; v != nil && p.n > maxFreeSeats; v = p.first {
		p.remove(v)
		lost := v.sitter
		if v.vacate() {
			v.evicted = lost
			return v
		}
	}
	return nil
}

// leave ends the stay of an instance that is closed or has faulted. Broken: the
// seat cannot be used again. What is returned is to be closed.
func (p *seats) leave(i *Instance, broken bool) *seat {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := i.seat
	if s == nil {
		return nil
	}
	p.remove(s)
	broken = broken || s.tied || s.ties() != ""
	i.seat = nil
	s.leave()
	if broken || p.closed || p.n >= maxFreeSeats {
		return s
	}
	p.prepend(s)
	return nil
}

// part takes the seat from an instance that is to become another; false if it
// is tied to it.
func (p *seats) part(i *Instance) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := i.seat
	if s == nil {
		return true
	}
	if !s.vacate() {
		return false
	}
	p.remove(s)
	p.prepend(s)
	return true
}

// blank adds a seat that nobody sits on; what is returned is to be closed.
func (p *seats) blank(s *seat) *seat {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.n >= maxFreeSeats {
		return s
	}
	p.prepend(s)
	return nil
}

// blanks counts the seats that nobody sits on.
func (p *seats) blanks() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for s := p.first; s != nil; s = s.newer {
		if s.sitter == nil {
			n++
		}
	}
	return n
}

// close closes the seats in the list, and those that come later.
func (p *seats) close(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	var errs []error
	for s := p.first; s != nil; s = p.first {
		p.remove(s)
		errs = append(errs, s.close(ctx))
	}
	return errors.Join(errs...)
}

func (p *seats) append(s *seat) {
	s.free, s.older, s.newer = true, p.last, nil
	if p.last != nil {
		p.last.newer = s
	} else {
		p.first = s
	}
	p.last = s
	p.n++
}

func (p *seats) prepend(s *seat) {
	s.free, s.older, s.newer = true, nil, p.first
	if p.first != nil {
		p.first.older = s
	} else {
		p.last = s
	}
	p.first = s
	p.n++
}

func (p *seats) remove(s *seat) {
	if !s.free {
		return
	}
	if s.older != nil {
		s.older.newer = s.newer
	} else {
		p.first = s.newer
	}
	if s.newer != nil {
		s.newer.older = s.older
	} else {
		p.last = s.older
	}
	s.free, s.older, s.newer = false, nil, nil
	p.n--
}
