package store

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"go.etcd.io/bbolt"
)

// update is one call of Update on its way through the writer.
type update struct {
	fn       func(tx *bbolt.Tx) error
	done     chan struct{} // closed when err and panicked are final
	err      error
	panicked error
}

// push queues u; false when the store is closed.
func (s *Store) push(u *update) bool {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return false
	}
	s.pending = append(s.pending, u)
	s.mu.Unlock()
	s.signal()
	return true
}

// withdraw takes u back; false when the writer already has it.
func (s *Store) withdraw(u *update) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.pending, u)
	if i < 0 {
		return false
	}
	s.pending = slices.Delete(s.pending, i, i+1)
	return true
}

// signal wakes the writer. One waiting signal is enough: the writer looks at
// everything when it wakes.
func (s *Store) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// write is the writer goroutine: while a group is being committed the next one
// gathers, which makes groups as large as the disk is slow, with no delay.
func (s *Store) write() {
	defer close(s.stopped)
	for {
		group, closed := s.take()
		if len(group) > 0 {
			s.commit(group)
			continue
		}
		if closed {
			return
		}
		<-s.wake
	}
}

func (s *Store) take() (group []*update, closed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(len(s.pending), s.maxGroup)
	group = slices.Clone(s.pending[:n])
	s.pending = slices.Delete(s.pending, 0, n)
	return group, s.closed
}

// commit runs the group in one transaction. Whoever fails is taken out, the
// transaction is rolled back, and the others run again on the same ground.
//
// A failed update is answered only after the commit of its neighbours: it may
// have failed because of what one of them wrote ("already exists"), and that
// must not be said about something that never came to be.
func (s *Store) commit(group []*update) {
	defer func() {
		for _, u := range group {
			close(u.done)
		}
	}()
	left := slices.Clone(group)
	for len(left) > 0 {
		bad, err := s.try(left)
		if bad >= 0 {
			left = slices.Delete(left, bad, bad+1)
			continue
		}
		if err != nil {
			for _, u := range group {
				u.err = fmt.Errorf("commit: %w", err)
			}
		}
		return
	}
}

// try runs all updates in one transaction and commits it. bad is the index of
// the one that failed, -1 when none did; err is a failure of the commit.
func (s *Store) try(group []*update) (bad int, err error) {
	tx, err := s.db.Begin(true)
	if err != nil {
		return -1, err
	}
	for i, u := range group {
		if u.run(tx) {
			continue
		}
		if err := tx.Rollback(); err != nil {
			u.err = errors.Join(u.err, err)
		}
		return i, nil
	}
	return -1, tx.Commit()
}

// run calls fn and keeps what went wrong.
func (u *update) run(tx *bbolt.Tx) (ok bool) {
	defer func() {
		if p := recover(); p != nil {
			u.panicked = fmt.Errorf("panic in a store update: %v\n%s", p, debug.Stack())
			ok = false
		}
	}()
	u.err = u.fn(tx)
	return u.err == nil
}
