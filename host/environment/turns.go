package environment

import (
	"context"
	"sync"
)

// maxCaptures is how many snapshots are made at a time.
const maxCaptures = 32

// turns bounds the inits that run to be captured: maxCaptures in all, and one of a
// function, so that one whose init does not end holds up nobody but itself. The
// zero value is ready. It is safe for concurrent use.
type turns struct {
	mu      sync.Mutex
	waiting map[string]*turn
	all     chan struct{}
}

type turn struct {
	taken chan struct{} // holds one while the function has its turn
	users int
}

// take waits for the function's turn, and then for a place, as long as ctx lets it;
// done gives both back.
func (t *turns) take(ctx context.Context, function string) (done func(), err error) {
	mine, all := t.join(function)
	leave := func() { t.leave(function) }
	select {
	case mine.taken <- struct{}{}:
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
	select {
	case all <- struct{}{}:
		return func() { <-all; <-mine.taken; leave() }, nil
	case <-ctx.Done():
		<-mine.taken
		leave()
		return nil, ctx.Err()
	}
}

func (t *turns) join(function string) (mine *turn, all chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.waiting == nil {
		t.waiting, t.all = map[string]*turn{}, make(chan struct{}, maxCaptures)
	}
	mine = t.waiting[function]
	if mine == nil {
		mine = &turn{taken: make(chan struct{}, 1)}
		t.waiting[function] = mine
	}
	mine.users++
	return mine, t.all
}

func (t *turns) leave(function string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.waiting[function].users--; t.waiting[function].users == 0 {
		delete(t.waiting, function)
	}
}
