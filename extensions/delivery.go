package extensions

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/telemetry"
)

// What a delivery holds of a subscriber that lags, beside the batch on its way:
// items and bytes as multiples of its batch.
const (
	bufferedItems = 2
	bufferedBytes = 8
)

// Retries of a batch that was refused.
const (
	retryBudget  = 10 * time.Second
	retryFirst   = 25 * time.Millisecond
	retryLongest = time.Second
)

// delivery carries the events of a stream to one subscription of one extension,
// in batches and in order. One goroutine runs it. A batch is sent again after an
// attempt without an answer: an event arrives at least once or is counted as
// dropped.
type delivery struct {
	name     string
	cfg      extapi.Subscription
	sub      *telemetry.Subscription
	send     sender
	encoding telemetry.Encoding
	// gate waits until the extension has its INVOKE.
	gate        func(ctx context.Context) error
	log         zerolog.Logger
	retryBudget time.Duration // then a batch is lost, and told as dropped

	after   <-chan struct{} // closed when the delivery that this one replaces has ended; may be nil
	flushes chan chan struct{}
	done    chan struct{}
	batch   *batch // nil while nothing waits

	// For the account.
	settled                   func(Account) // may be nil
	source                    telemetry.Source
	delivered, again, without int64
}

// newDelivery subscribes. The delivery that it replaces, if there is one, ends
// with the event before this one's first.
func (s *Set) newDelivery(x *extension, cfg extapi.Subscription, replaced *delivery) *delivery {
	send := newSender(s.client, s.room, cfg.Destination)
	if s.cfg.ObserveDelivery != nil {
		send = &observedSender{sender: send, name: x.name, protocol: cfg.Destination.Protocol, observe: s.cfg.ObserveDelivery}
	}
	bounds := telemetry.SubscriptionConfig{
		Categories: cfg.Types,
		MaxItems:   bufferedItems * cfg.Buffering.MaxItems,
		MaxBytes:   bufferedBytes * cfg.Buffering.MaxBytes,
		Encoding:   s.encoding(cfg),
	}
	var other *telemetry.Subscription
	var after <-chan struct{}
	if replaced != nil {
		other, after = replaced.sub, replaced.done
	}
	return &delivery{
		name:     x.name,
		cfg:      cfg,
		sub:      s.subscribeTo(bounds, other),
		after:    after,
		send:     send,
		encoding: s.encoding(cfg),
		gate: func(ctx context.Context) error {
			return s.await(ctx, func() (bool, error) { return !x.invokePending() || s.stopping || s.cfg.Scope != nil, nil })
		},
		log:         s.log.With().Str("extension", x.name).Logger(),
		retryBudget: retryBudget,

		flushes: make(chan chan struct{}),
		done:    make(chan struct{}),
		settled: s.cfg.Settled,
		source:  s.cfg.Stream.Source(),
	}
}

// invokePending tells that an INVOKE has not reached the extension yet.
func (x *extension) invokePending() bool { return x.sending || len(x.queue) > 0 }

// run delivers until the stream ends or ctx is done.
func (d *delivery) run(ctx context.Context) {
	defer close(d.done)
	defer d.settle()
	defer d.sub.Close()
	defer d.send.close()
	if d.after != nil {
		select {
		case <-d.after:
		case <-ctx.Done():
			return
		}
	}
	timer := time.NewTimer(d.cfg.Buffering.Timeout)
	timer.Stop()
	for {
		waiting := d.batch != nil
		var flushed chan struct{}
		select {
		case <-ctx.Done():
			return
		case <-d.sub.Wake():
			d.collect(ctx)
		case <-timer.C:
			d.post(ctx)
		case flushed = <-d.flushes:
			d.collect(ctx)
			d.post(ctx)
			close(flushed)
		}
		switch {
		case d.sub.Ended():
			d.post(ctx)
			return
		case d.batch != nil && !waiting:
			timer.Reset(d.cfg.Buffering.Timeout)
		case d.batch == nil:
			timer.Stop()
		}
	}
}

// flush sends what was published before the call, and waits for that until ctx
// is done.
func (d *delivery) flush(ctx context.Context) {
	flushed := make(chan struct{})
	select {
	case d.flushes <- flushed:
	case <-d.done:
		return
	case <-ctx.Done():
		return
	}
	select {
	case <-flushed:
	case <-ctx.Done():
	}
}

// collect takes what is there, and sends every batch that is full.
func (d *delivery) collect(ctx context.Context) {
	for ctx.Err() == nil {
		ev, ok := d.sub.TryNext()
		if !ok {
			return
		}
		if ev.Type == telemetry.TypeRuntimeDone {
			d.passGate(ctx)
		}
		d.add(ctx, ev)
	}
}

// add puts an event into the batch, and sends the batch when it is full.
func (d *delivery) add(ctx context.Context, ev telemetry.Event) {
	if d.batch == nil {
		d.batch = newBatch(d.encoding.Separator)
	}
	events := d.batch.events
	next, err := d.batch.add(ev, d.encoding, d.cfg.Buffering)
	switch {
	case err != nil:
		d.log.Error().Err(err).Msg("telemetry event was left out")
		d.sub.Lost(1, 0)
	case next != nil:
		d.post(ctx)
		d.batch = next
	case d.batch.events == events:
		d.without++ // the schema has no such event
	}
	switch {
	case d.batch.full(d.cfg.Buffering):
		d.post(ctx)
	case d.batch.empty():
		d.batch.release()
		d.batch = nil
	}
}

// passGate holds a runtimeDone back until the extension has its INVOKE: there
// are extensions whose listener does not answer a runtimeDone before.
func (d *delivery) passGate(ctx context.Context) {
	brief, cancel := context.WithTimeout(ctx, 0)
	defer cancel()
	if d.gate(brief) == nil {
		return
	}
	d.post(ctx) // what came before need not wait
	_ = d.gate(ctx)
}

// post sends the batch, again and again with growing pauses while it is refused
// and the budget lasts; a batch that cannot be delivered is counted as dropped.
func (d *delivery) post(ctx context.Context) {
	b := d.batch
	if b == nil {
		return
	}
	d.batch = nil
	defer b.release()
	limited, cancel := context.WithTimeout(ctx, d.retryBudget)
	defer cancel()
	pause := retryFirst
	for try := 0; ; try++ {
		if try == 1 {
			d.again += int64(b.events)
		}
		err := d.send.send(limited, b)
		if err == nil {
			d.delivered += int64(b.events)
			return
		}
		select {
		case <-time.After(pause):
			pause = min(2*pause, retryLongest)
		case <-limited.Done():
			if ctx.Err() == nil {
				d.log.Warn().Err(err).Int("events", b.events).Msg("telemetry could not be delivered")
			}
			d.sub.Lost(int64(b.events-b.told), int64(len(b.body)))
			d.sub.Untold(int64(b.told), b.toldRecords, b.toldBytes)
			return
		}
	}
}
