package host

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/lambent-host/lambent/extensions"
)

// tellOfExports tells the operator of telemetry that does not get where it should.
func (h *Host) tellOfExports(text string, err error) {
	if err == nil {
		h.log.Info().Msg(text)
		return
	}
	h.log.Warn().Err(err).Msg(text)
}

// deliveries count the events that extensions subscribed to.
type deliveries struct{ delivered, dropped metric.Int64Counter }

// settled counts what became of the events of one subscription.
func (h *Host) settled(account extensions.Account) {
	name := metric.WithAttributeSet(attribute.NewSet(attribute.String("lambent.extension.name", account.Extension)))
	h.deliveries.delivered.Add(context.Background(), account.Delivered, name)
	h.deliveries.dropped.Add(context.Background(), account.Dropped+account.Left, name)
	if h.cfg.TelemetrySettled != nil {
		h.cfg.TelemetrySettled(account)
	}
}

func (h *Host) countDeliveries() (err error) {
	meter := h.otel.Meter()
	if h.deliveries.delivered, err = meter.Int64Counter("lambent.extension.events.delivered", metric.WithUnit("{event}"),
		metric.WithDescription("Number of telemetry events that extensions took, counted when their environment ends.")); err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	if h.deliveries.dropped, err = meter.Int64Counter("lambent.extension.events.dropped", metric.WithUnit("{event}"),
		metric.WithDescription("Number of telemetry events that extensions did not take in time, counted when their environment ends.")); err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	return nil
}

// observe makes metrics of the host's own state, which is looked at when somebody
// asks. What counts invocations is in package invoke.
func (h *Host) observe() error {
	if err := h.countDeliveries(); err != nil {
		return err
	}
	state := func(name string) metric.MeasurementOption {
		return metric.WithAttributeSet(attribute.NewSet(attribute.String("lambent.state", name)))
	}
	idle, active := state("idle"), state("active")
	ready, running, waiting := state("ready"), state("running"), state("waiting")
	meter := h.otel.Meter()
	environments, err := meter.Int64ObservableUpDownCounter("lambent.environments", metric.WithUnit("{environment}"),
		metric.WithDescription("Number of execution environments, idle and warm or active in an invocation or its extensions."))
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	events, err := meter.Int64ObservableUpDownCounter("lambent.async.events", metric.WithUnit("{event}"),
		metric.WithDescription("Number of accepted asynchronous events: running, waiting for their next try, or ready for their turn."))
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	age, err := meter.Float64ObservableGauge("lambent.async.oldest_age", metric.WithUnit("s"),
		metric.WithDescription("Age of the oldest asynchronous event that is not finished."))
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	_, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		idleNow, activeNow := h.pool.Count()
		o.ObserveInt64(environments, int64(idleNow), idle)
		o.ObserveInt64(environments, int64(activeNow), active)
		queue := h.queue.Stats()
		o.ObserveInt64(events, int64(queue.Running), running)
		o.ObserveInt64(events, int64(queue.Waiting), waiting)
		o.ObserveInt64(events, int64(queue.Depth-queue.Running-queue.Waiting), ready)
		o.ObserveFloat64(age, queue.OldestAge.Seconds())
		return nil
	}, environments, events, age)
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	return nil
}
