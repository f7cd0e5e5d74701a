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
	name   string
	cfg    extapi.Subscription
	sub    *telemetry.Subscription
	send   sender
	encode func(telemetry.Event, telemetry.Schema) ([]byte, error)
	// gate waits until the extension has its INVOKE.
	gate        func(ctx context.Context) error
	log         zerolog.Logger
	retryBudget time.Duration // then a batch is lost, and told as dropped

	flushes chan chan struct{}
	done    chan struct{}
	batch   [][]byte
	bytes   int

	// For the account.
	settled          func(Account) // may be nil
	source           telemetry.Source
	delivered, again int64
}

func (s *Set) newDelivery(x *extension, cfg extapi.Subscription) *delivery {
	send := newSender(s.client, s.room, cfg.Destination)
	if s.cfg.ObserveDelivery != nil {
		send = &observedSender{sender: send, name: x.name, protocol: cfg.Destination.Protocol, observe: s.cfg.ObserveDelivery}
	}
	return &delivery{
		name: x.name,
		cfg:  cfg,
		sub: s.subscribeTo(telemetry.SubscriptionConfig{
			Categories: cfg.Types,
			MaxItems:   bufferedItems * cfg.Buffering.MaxItems,
			MaxBytes:   bufferedBytes * cfg.Buffering.MaxBytes,
		}),
		send:   send,
		encode: s.encode,
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
	timer := time.NewTimer(d.cfg.Buffering.Timeout)
	timer.Stop()
	for {
		waiting := len(d.batch) > 0
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
		case len(d.batch) > 0 && !waiting:
			timer.Reset(d.cfg.Buffering.Timeout)
		case len(d.batch) == 0:
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
		encoded, err := d.encode(ev, d.cfg.Schema)
		if err != nil {
			d.log.Error().Err(err).Msg("telemetry event was left out")
			d.sub.Lost(1, 0)
			continue
		}
		if d.bytes+len(encoded) > d.cfg.Buffering.MaxBytes {
			d.post(ctx)
		}
		d.batch = append(d.batch, encoded)
		d.bytes += len(encoded)
		if len(d.batch) >= d.cfg.Buffering.MaxItems || d.bytes >= d.cfg.Buffering.MaxBytes {
			d.post(ctx)
		}
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
	if len(d.batch) == 0 {
		return
	}
	batch, size := d.batch, d.bytes
	d.batch, d.bytes = nil, 0
	limited, cancel := context.WithTimeout(ctx, d.retryBudget)
	defer cancel()
	pause := retryFirst
	for try := 0; ; try++ {
		if try == 1 {
			d.again += int64(len(batch))
		}
		err := d.send.send(limited, batch)
		if err == nil {
			d.delivered += int64(len(batch))
			return
		}
		select {
		case <-time.After(pause):
			pause = min(2*pause, retryLongest)
		case <-limited.Done():
			if ctx.Err() == nil {
				d.log.Warn().Err(err).Int("events", len(batch)).Msg("telemetry could not be delivered")
			}
			d.sub.Lost(int64(len(batch)), int64(size))
			return
		}
	}
}
