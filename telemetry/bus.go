package telemetry

import (
	"sync"
	"sync/atomic"
)

// Source tells where an event came from.
type Source struct {
	EnvironmentID   string
	FunctionName    string
	FunctionVersion string
	FunctionARN     string
	// LogGroup and LogStream are what Lambda would call the log of the environment.
	LogGroup, LogStream string
}

// Bus carries the events of all execution environments. It is safe for
// concurrent use, starts no goroutine, and publishing never blocks on a reader:
// the longest wait is for another publisher to append to the same buffers.
type Bus struct {
	mu      sync.Mutex
	streams map[*Stream]struct{}
	closed  bool
	// subs are the readers of all streams. The list is replaced and never changed;
	// each stream knows which of them read it.
	subs atomic.Pointer[[]*Subscription]
}

// NewBus returns a bus without streams.
func NewBus() *Bus {
	return &Bus{streams: make(map[*Stream]struct{})}
}

// Open starts the stream of one execution environment. A stream that is opened
// after Close is closed.
func (b *Bus) Open(src Source) *Stream {
	s := &Stream{bus: b, source: &src, backlog: newBuffer(backlogItems, backlogBytes)}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		s.closed, s.backlog = true, nil
		return s
	}
	s.setWanted()
	s.reach(b.subscribers())
	b.streams[s] = struct{}{}
	return s
}

// Subscribe reads the events of all streams from now on, for a sink of the
// whole host. Events of one stream arrive in order. The subscription ends when
// the bus closes.
func (b *Bus) Subscribe(cfg SubscriptionConfig) *Subscription { return b.Resubscribe(nil, cfg) }

// Resubscribe is Subscribe in the place of another subscription of the bus. Each
// event goes to one of the two.
func (b *Bus) Resubscribe(other *Subscription, cfg SubscriptionConfig) *Subscription {
	sub := newSubscription(cfg, nil)
	sub.detach = func() { b.remove(sub) }
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		sub.end()
		return sub
	}
	b.setSubscribers(append(without(b.subscribers(), other), sub))
	if other != nil {
		other.endFor(sub)
	}
	return sub
}

// Close ends all streams and all subscriptions. Readers still get what is in
// their buffers.
func (b *Bus) Close() {
	b.mu.Lock()
	b.closed = true
	streams := b.streams
	b.streams = nil
	subs := b.subscribers()
	b.setSubscribers(nil)
	b.mu.Unlock()
	for s := range streams {
		s.end()
	}
	for _, sub := range subs {
		sub.end()
	}
}

// subscribers returns a copy of the list.
func (b *Bus) subscribers() []*Subscription {
	p := b.subs.Load()
	if p == nil {
		return nil
	}
	return append([]*Subscription(nil), *p...)
}

func (b *Bus) remove(sub *Subscription) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.setSubscribers(without(b.subscribers(), sub))
}

// setSubscribers is called with the lock.
func (b *Bus) setSubscribers(subs []*Subscription) {
	b.subs.Store(&subs)
	for s := range b.streams {
		s.reach(subs)
	}
}

func (b *Bus) forget(s *Stream) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.streams, s)
}

func without(subs []*Subscription, gone *Subscription) []*Subscription {
	kept := subs[:0]
	for _, sub := range subs {
		if sub != gone {
			kept = append(kept, sub)
		}
	}
	return kept
}
