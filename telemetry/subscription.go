package telemetry

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of a subscription that sets none.
const (
	DefaultMaxItems = 10000
	DefaultMaxBytes = 4 << 20
)

// SubscriptionConfig is what a reader asks for.
type SubscriptionConfig struct {
	// Categories to receive; empty means all. platform.logsDropped about the
	// subscription's own losses comes in any case.
	Categories []Category
	// MaxItems and MaxBytes bound the buffer; 0 means the default. Bytes count
	// the text of log lines and 256 for each event. A tenth of the bytes, and as
	// many items again, are for events of the platform alone.
	MaxItems, MaxBytes int
	// From, for a subscription of the bus, chooses the streams by their source; nil
	// means all. It is asked when a stream opens and when subscriptions of the bus
	// change, must not change its mind, and must not call the bus.
	From func(Source) bool
	// Encoding, if it has a schema, is how the reader will have the events written by
	// [Event.Append], once each. An event that several readers will have in the same
	// form is then encoded once for all of them; those of an init phase that are
	// replayed are not.
	Encoding Encoding
}

// Subscription is one reader's bounded buffer. One goroutine reads; any may
// Close. A full buffer loses the newest events, and the reader finds one
// platform.logsDropped in their place.
type Subscription struct {
	categories categories
	from       func(Source) bool
	encoding   Encoding
	class      uint16 // of its encoding
	source     *Source
	detach     func()
	wake       chan struct{} // cap 1
	successor  atomic.Pointer[Subscription]

	mu        sync.Mutex
	buf       *buffer
	published int64
	ended     bool
}

func newSubscription(cfg SubscriptionConfig, source *Source) *Subscription {
	if cfg.MaxItems <= 0 {
		cfg.MaxItems = DefaultMaxItems
	}
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = DefaultMaxBytes
	}
	return &Subscription{
		categories: setOf(cfg.Categories),
		from:       cfg.From,
		encoding:   cfg.Encoding,
		class:      cfg.Encoding.class(),
		source:     source,
		wake:       make(chan struct{}, 1),
		buf:        newBuffer(cfg.MaxItems, cfg.MaxBytes),
	}
}

// Next waits for the next event. It returns io.EOF after the last event of a
// stream that was closed, and the error of ctx when that is done first.
func (s *Subscription) Next(ctx context.Context) (Event, error) {
	for {
		ev, ok, ended := s.take()
		switch {
		case ok:
			return ev, nil
		case ended:
			return Event{}, io.EOF
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return Event{}, ctx.Err()
		}
	}
}

// TryNext takes an event if there is one.
func (s *Subscription) TryNext() (Event, bool) {
	ev, ok, _ := s.take()
	return ev, ok
}

// Wake receives a value after events were added or the stream ended. A reader
// that has to watch other channels too waits on it and then calls TryNext until
// there is nothing left.
func (s *Subscription) Wake() <-chan struct{} { return s.wake }

// Ended tells that nothing will come any more: the stream or the subscription
// was closed and the buffer is empty.
func (s *Subscription) Ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended && s.buf.len() == 0 && s.buf.lostRecords == 0
}

// Lost tells the subscription that its reader had to give up events it had
// already taken: they are counted in the next platform.logsDropped.
func (s *Subscription) Lost(records, bytes int64) {
	if records == 0 {
		return
	}
	s.mu.Lock()
	s.buf.lose(records, bytes)
	s.mu.Unlock()
	s.signal()
}

// Untold tells the subscription that its reader had to give up events that told
// of a loss: the loss is told again. What they told is counted only once.
func (s *Subscription) Untold(events, records, bytes int64) {
	if events == 0 {
		return
	}
	s.mu.Lock()
	s.buf.untold(events, records, bytes)
	s.mu.Unlock()
	s.signal()
}

// Close ends the subscription; what is in the buffer can still be read.
func (s *Subscription) Close() {
	s.detach()
	s.end()
}

// Counts is what became of the events of a subscription. Every event is in one
// place: Published + Told = Waiting + Dropped + what the reader has taken and not
// given up again.
type Counts struct {
	// Published are the events that were for this subscription, those of an init
	// phase before it began included.
	Published int64
	// Told are the platform.logsDropped that were put in the place of what was lost.
	Told int64
	// Dropped did not fit the buffer, or were given up by the reader.
	Dropped int64
	// Waiting are in the buffer.
	Waiting int64
}

// Counts tells what became of the events until now.
func (s *Subscription) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Counts{Published: s.published, Told: s.buf.told, Dropped: s.buf.lostEver, Waiting: int64(s.buf.len())}
}

// missed counts events of the init phase that were not kept for the subscription.
func (s *Subscription) missed(records, bytes int64) {
	s.mu.Lock()
	s.published += records
	s.mu.Unlock()
	s.Lost(records, bytes)
}

func (s *Subscription) take() (ev Event, ok, ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ev, ok = s.buf.pop()
	if ok && ev.Source == nil {
		ev.Source = s.source
	}
	return ev, ok, s.ended
}

// reads tells whether the subscription is for events of the source.
func (s *Subscription) reads(src *Source) bool { return s.from == nil || src == nil || s.from(*src) }

// inherit is offer for an event that was meant for the subscription before.
func (s *Subscription) inherit(ev Event) {
	if s.reads(ev.Source) {
		s.offer(ev)
	}
}

// offer puts the event into the buffer, if it is for this reader and there is room.
func (s *Subscription) offer(ev Event) {
	if next := s.successor.Load(); next != nil {
		next.inherit(ev.alone(s))
		return
	}
	if s.categories&ev.Type.Category().bit() == 0 {
		return
	}
	s.mu.Lock()
	ended, taken := s.ended, false
	if !ended {
		s.published++
		taken = s.buf.push(ev)
	}
	s.mu.Unlock()
	switch next := s.successor.Load(); {
	case ended && next != nil: // it has one since
		next.inherit(ev.alone(s))
		return
	case !taken:
		ev.shared.skip(s.class)
	}
	if !ended {
		s.signal()
	}
}

func (s *Subscription) end() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.signal()
}

// endFor ends the subscription in favour of another, which a publisher that still
// knows this one reaches through it.
func (s *Subscription) endFor(other *Subscription) {
	s.mu.Lock()
	s.ended = true
	s.successor.Store(other)
	s.mu.Unlock()
	s.signal()
}

func (s *Subscription) signal() {
	select {
	case s.wake <- struct{}{}:
	default: // the reader has been told and has not looked yet
	}
}

// lossEvent is the platform.logsDropped that stands before next.
func lossEvent(records, bytes int64, next Event) Event {
	at := next.Time
	if at.IsZero() {
		at = time.Now()
	}
	return Event{
		Time:   at,
		Type:   TypeLogsDropped,
		Record: LogsDropped{Reason: ReasonSlowConsumer, DroppedRecords: records, DroppedBytes: bytes},
		Source: next.Source,
	}
}
