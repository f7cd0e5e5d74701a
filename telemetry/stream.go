package telemetry

import (
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of what is kept of an init phase for those who subscribe during it.
const (
	backlogItems = 10000
	backlogBytes = 4 << 20
)

// Stream carries the events of one execution environment, in the order in which
// they were published. It is safe for concurrent use.
type Stream struct {
	bus    *Bus
	source *Source
	wanted atomic.Uint32 // the categories that subscriptions and backlog take
	// fromBus are the subscriptions of the bus that read this stream, so that those
	// of other streams cost its publishers nothing; nil means none.
	fromBus atomic.Pointer[readers]

	mu      sync.Mutex
	subs    []*Subscription
	backlog *buffer // events of the init phase; nil once sealed
	closed  bool
}

// Source tells where the stream's events come from.
func (s *Stream) Source() Source { return *s.source }

// Wants tells whether an event of the category would reach anybody. Where it would
// not, a publisher can spare itself the making.
func (s *Stream) Wants(c Category) bool {
	wanted := categories(s.wanted.Load())
	if r := s.fromBus.Load(); r != nil {
		wanted |= r.wanted
	}
	return wanted&c.bit() != 0
}

// readers is a list that is not changed, and the categories that it takes.
type readers struct {
	subs   []*Subscription
	wanted categories
}

// reach is called with the lock of the bus, after any change of its subscriptions.
func (s *Stream) reach(all []*Subscription) {
	var r readers
	for _, sub := range all {
		if sub.reads(s.source) {
			r.subs = append(r.subs, sub)
		}
	}
	r.wanted = wantedBy(r.subs)
	s.fromBus.Store(&r)
}

// setWanted is called with the lock, after any change of what there is to be told.
func (s *Stream) setWanted() {
	set := wantedBy(s.subs)
	if s.backlog != nil {
		set = setOf(nil)
	}
	s.wanted.Store(uint32(set))
}

// Publish stamps the event with the present time and hands it to the
// subscribers. It never blocks. After Close it does nothing.
func (s *Stream) Publish(t Type, record any) { s.PublishAt(time.Time{}, t, record) }

// PublishAt is Publish for something that happened at another time. The order
// of events stays the order of the calls. A zero time is the present.
func (s *Stream) PublishAt(at time.Time, t Type, record any) {
	if !s.Wants(t.Category()) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if at.IsZero() {
		at = time.Now() // under the lock: times follow the order
	}
	ev := Event{Time: at, Type: t, Record: record, Source: s.source}
	if s.backlog != nil {
		s.backlog.push(ev)
	}
	var all []*Subscription
	if r := s.fromBus.Load(); r != nil {
		all = r.subs
	}
	ev.shared = share(t.Category(), s.subs, all)
	ev = ev.weighed()
	for _, sub := range s.subs {
		sub.offer(ev)
	}
	for _, sub := range all {
		sub.offer(ev)
	}
}

// Subscribe reads the stream's events. Until Seal, the events that were
// published before come first, as Lambda replays an init phase to an extension
// that subscribes during it. Zero bounds are the defaults.
func (s *Stream) Subscribe(cfg SubscriptionConfig) *Subscription { return s.Resubscribe(nil, cfg) }

// Resubscribe is Subscribe in the place of another subscription of the stream,
// which ends with the event before. Of the early events only those come that the
// other had not asked for.
func (s *Stream) Resubscribe(other *Subscription, cfg SubscriptionConfig) *Subscription {
	sub := newSubscription(cfg, s.source)
	sub.detach = func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.subs = without(s.subs, sub)
		s.setWanted()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.backlog != nil {
		s.replay(sub, other)
	}
	if other != nil {
		other.end()
		s.subs = without(s.subs, other)
	}
	if s.closed {
		sub.end()
		return sub
	}
	s.subs = append(s.subs, sub)
	s.setWanted()
	return sub
}

// replay is called with the lock.
func (s *Stream) replay(sub, other *Subscription) {
	var known categories
	if other != nil {
		known = other.categories
	}
	s.backlog.each(func(ev Event) {
		if known&ev.Type.Category().bit() == 0 {
			sub.offer(ev)
		}
	})
	if records, bytes := s.backlog.dropped(); records > 0 && other == nil {
		sub.missed(records, bytes)
	}
}

// Seal ends the replay of early events and frees them.
func (s *Stream) Seal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.backlog = nil
	s.setWanted()
}

// Close ends the stream: its subscriptions end after the last event. It is
// idempotent.
func (s *Stream) Close() {
	s.bus.forget(s)
	s.end()
}

func (s *Stream) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed, s.backlog = true, nil
	for _, sub := range s.subs {
		sub.end()
	}
	s.subs = nil
	s.setWanted()
	s.fromBus.Store(nil)
}
