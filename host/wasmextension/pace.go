package wasmextension

import (
	"context"
	"sync"
	"time"
)

// Requests of one extension: so many at once, and then so many in a second. One that
// sends more waits, and its time for the batch runs.
const (
	paceBurst     = 100
	pacePerSecond = 100
)

// pace spreads requests over time. The zero value is ready, and safe for concurrent
// use.
type pace struct {
	mu   sync.Mutex
	even time.Time // when what was sent until now would have been sent evenly
}

// wait returns when a request may be sent, or with ctx's error if that is over before.
func (p *pace) wait(ctx context.Context) error {
	const gap = time.Second / pacePerSecond
	p.mu.Lock()
	now := time.Now()
	if p.even.Before(now) {
		p.even = now
	}
	pause := p.even.Add(gap).Sub(now) - paceBurst*gap
	if deadline, ok := ctx.Deadline(); ok && pause > 0 && now.Add(pause).After(deadline) {
		p.mu.Unlock() // it will not be sent, and takes no place
		<-ctx.Done()
		return ctx.Err()
	}
	p.even = p.even.Add(gap)
	p.mu.Unlock()
	if pause <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}
