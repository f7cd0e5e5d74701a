package telemetry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/lambent-host/lambent/extensions"
	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/telemetry"
)

// deliveries measures how fast events go through the bus and over HTTP.
func (b *trial) deliveries(ctx context.Context) error {
	b.progress("publishing events")
	b.report.Bus = append(b.report.Bus, b.publish(ctx, 0), b.publish(ctx, 1), b.publish(ctx, b.cfg.Many))
	for round := range deliveryRounds {
		b.progress(fmt.Sprintf("delivering events over HTTP, %d of %d", round+1, deliveryRounds))
		d, err := b.deliver(ctx, round)
		if err != nil {
			return err
		}
		b.report.HTTP = append(b.report.HTTP, d)
	}
	return nil
}

const deliveryRounds = 3

// Bus is how fast one publisher can publish while readers take every event.
type Bus struct {
	Subscribers int     `json:"subscribers"`
	PerSecond   float64 `json:"perSecond"` // events published
	Dropped     int64   `json:"dropped"`   // because a reader lagged
}

// invocation publishes what one warm invocation does, and returns how many events
// that was.
func invocation(s *telemetry.Stream, id string) int {
	s.Publish(telemetry.TypeStart, telemetry.Start{RequestID: id, Version: "$LATEST"})
	s.Publish(telemetry.TypeFunction, "a line of a function, as long as most of them are")
	s.Publish(telemetry.TypeRuntimeDone, telemetry.RuntimeDone{
		RequestID: id, Status: telemetry.StatusSuccess,
		Metrics: &telemetry.RuntimeDoneMetrics{DurationMs: 1.234, ProducedBytes: 1024},
	})
	s.Publish(telemetry.TypeReport, telemetry.Report{
		RequestID: id, Status: telemetry.StatusSuccess,
		Metrics: telemetry.ReportMetrics{DurationMs: 1.234, BilledDurationMs: 2, MemorySizeMB: 128, MaxMemoryUsedMB: 32},
	})
	return 4
}

func (b *trial) publish(ctx context.Context, subscribers int) Bus {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	bus := telemetry.NewBus()
	stream := bus.Open(telemetry.Source{EnvironmentID: "bench"})
	var readers sync.WaitGroup
	var subs []*telemetry.Subscription
	for range subscribers {
		sub := stream.Subscribe(telemetry.SubscriptionConfig{MaxItems: 1 << 20, MaxBytes: 1 << 30})
		subs = append(subs, sub)
		readers.Go(func() {
			for {
				if _, err := sub.Next(ctx); err != nil {
					return
				}
			}
		})
	}
	stream.Seal()
	id := uuid.NewString()
	began := time.Now()
	published := 0
	for published < b.cfg.Events {
		published += invocation(stream, id)
	}
	took := time.Since(began)
	bus.Close()
	readers.Wait()
	out := Bus{Subscribers: subscribers, PerSecond: float64(published) / took.Seconds()}
	for _, sub := range subs {
		out.Dropped += sub.Counts().Dropped
	}
	return out
}

// HTTP is how fast events reach a process over HTTP, and how fast a plain client
// posts the same batches to the same process right after.
type HTTP struct {
	Events         int     `json:"events"`
	Batches        int     `json:"batches"`
	PerSecond      float64 `json:"perSecond"`
	PlainPerSecond float64 `json:"plainPerSecond"`
}

// ahead is how many events may be on their way: fewer than what the subscription
// holds (2 MiB, at 256 bytes an event and the text of lines), so that none is lost.
const ahead = 4000

// stalled is how long nothing may be delivered.
const stalled = 15 * time.Second

// deliver has a subscriber of its own take all events, and then posts them again.
func (b *trial) deliver(ctx context.Context, round int) (_ HTTP, err error) {
	dir := filepath.Join(b.work, fmt.Sprint("delivery", round))
	if err := Folder(dir, b.subscriber, []string{"observe0"}); err != nil {
		return HTTP{}, err
	}
	bus := telemetry.NewBus()
	defer bus.Close()
	w := &watch{more: make(chan struct{}, 1)}
	stream := bus.Open(telemetry.Source{EnvironmentID: "bench"})
	set, err := extensions.Start(ctx, extensions.Config{
		Dir: dir, Stream: stream, Log: zerolog.Nop(), Function: extensions.Function{Name: functionName, Version: "$LATEST"},
		ObserveDelivery: w.delivered, Observe: w.seen,
	})
	if err != nil {
		return HTTP{}, err
	}
	defer func() {
		err = errors.Join(err, set.Shutdown(context.WithoutCancel(ctx), extapi.ReasonSpindown, time.Second))
	}()
	if err := set.FinishInit(ctx); err != nil {
		return HTTP{}, err
	}
	stream.Seal()
	began := time.Now()
	id := uuid.NewString()
	// What is on its way at the end is not waited for: it would leave with the
	// subscription's timeout.
	for published := 0; published < b.cfg.Events+ahead; {
		published += invocation(stream, id)
		if err := w.await(ctx, published-ahead); err != nil {
			return HTTP{}, err
		}
	}
	took := time.Since(began)
	w.mu.Lock() // more may be on its way, and is left out
	events, batches, uri := w.events, w.batches, w.uri
	w.mu.Unlock()
	out := HTTP{Events: events, Batches: len(batches), PerSecond: float64(events) / took.Seconds()}
	plain, err := post(ctx, uri, batches)
	out.PlainPerSecond = float64(events) / plain.Seconds()
	return out, err
}

// watch keeps the batches that were delivered.
type watch struct {
	more chan struct{} // cap 1

	mu      sync.Mutex
	uri     string
	batches [][]byte
	events  int
	failed  error
}

func (w *watch) seen(a extensions.Activity) {
	if a.What == "subscribed" {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.uri = strings.Replace(a.Detail, "sandbox.localdomain", "127.0.0.1", 1)
	}
}

func (w *watch) delivered(d extensions.Delivery) {
	w.mu.Lock()
	w.failed = errors.Join(w.failed, d.Err)
	w.events += len(d.Batch)
	body := append([]byte{'['}, bytes.Join(d.Batch, []byte{','})...)
	w.batches = append(w.batches, append(body, ']'))
	w.mu.Unlock()
	select {
	case w.more <- struct{}{}:
	default: // it has been told and has not looked yet
	}
}

// await waits until so many events were delivered.
func (w *watch) await(ctx context.Context, events int) error {
	for {
		w.mu.Lock()
		delivered, err := w.events, w.failed
		w.mu.Unlock()
		if delivered >= events || err != nil {
			return err
		}
		select {
		case <-w.more:
		case <-time.After(stalled):
			return fmt.Errorf("nothing was delivered for %v, %d of %d events were", stalled, delivered, events)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// post sends every batch once more with a plain client, one at a time as a delivery
// does, and returns how long that took.
func post(ctx context.Context, uri string, batches [][]byte) (time.Duration, error) {
	c := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	defer c.CloseIdleConnections()
	began := time.Now()
	for _, batch := range batches {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, uri, bytes.NewReader(batch))
		if err != nil {
			return 0, err
		}
		req.Header.Set("Content-Type", "application/json")
		res, err := c.Do(req)
		if err != nil {
			return 0, err
		}
		_, err = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close() // read to its end
		if err != nil {
			return 0, err
		}
	}
	return time.Since(began), nil
}
