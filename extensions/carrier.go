package extensions

import (
	"cmp"
	"context"
	"time"

	"github.com/rs/zerolog"

	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/telemetry"
)

// CarrierConfig is what a [Carrier] works with.
type CarrierConfig struct {
	// Name is the subscriber's.
	Name string
	// Bus is what it subscribes to, From the environments it chooses; nil means all.
	Bus  *telemetry.Bus
	From func(telemetry.Source) bool
	// Subscription is what it asks for; the destination is not looked at.
	Subscription extapi.Subscription
	// Send brings a batch, a JSON array of events with their sources, to the
	// subscriber. After an error the same batch is sent again, for Patience; then
	// it counts as dropped. It must return when ctx is done, and not keep body.
	Send func(ctx context.Context, body []byte) error
	// Patience is how long a batch is tried; 0 means ten seconds.
	Patience time.Duration
	Log      zerolog.Logger
	// Settled, if set, is told what became of the events, at the end.
	Settled func(Account)
}

// Carrier delivers telemetry as it is delivered to extension processes, in batches, in
// order and within bounds, to a subscriber that is no process. It is safe for
// concurrent use.
type Carrier struct{ delivery *delivery }

// NewCarrier subscribes. Call Run next.
func NewCarrier(cfg CarrierConfig) *Carrier {
	sub := cfg.Bus.Subscribe(telemetry.SubscriptionConfig{
		Categories: cfg.Subscription.Types,
		MaxItems:   bufferedItems * cfg.Subscription.Buffering.MaxItems,
		MaxBytes:   bufferedBytes * cfg.Subscription.Buffering.MaxBytes,
		From:       cfg.From,
	})
	return &Carrier{&delivery{
		name: cfg.Name, cfg: cfg.Subscription, sub: sub, send: carried(cfg.Send),
		encoding:    telemetry.Encoding{Schema: cfg.Subscription.Schema, Source: true, Separator: separatorHTTP},
		gate:        func(context.Context) error { return nil },
		log:         cfg.Log,
		retryBudget: cmp.Or(cfg.Patience, retryBudget),
		flushes:     make(chan chan struct{}),
		done:        make(chan struct{}),
		settled:     cfg.Settled,
	}}
}

// Run delivers until the bus closes or ctx is done.
func (c *Carrier) Run(ctx context.Context) { c.delivery.run(ctx) }

// Flush sends what was published before the call, and waits for that until ctx is
// done.
func (c *Carrier) Flush(ctx context.Context) { c.delivery.flush(ctx) }

// carried is a sender that is a function.
type carried func(ctx context.Context, body []byte) error

func (s carried) send(ctx context.Context, b *batch) error { return s(ctx, b.array()) }

func (s carried) close() {}
