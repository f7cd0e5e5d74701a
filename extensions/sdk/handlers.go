package sdk

import (
	"context"
	"encoding/json"
	"time"

	"github.com/lambent-host/lambent/telemetry"
)

// Handlers takes batches apart: one function for each kind of event that a program
// cares about, with its record. Its Handle is for [Config.OnTelemetry]:
//
//	sdk.Run(ctx, sdk.Config{OnTelemetry: sdk.Handlers{
//		Report: func(_ context.Context, at time.Time, r telemetry.Report) error { ... },
//	}.Handle})
//
// An event without a function is left out. The first error ends the batch, and the
// platform sends all of it again.
type Handlers struct {
	InitStart             func(ctx context.Context, at time.Time, r telemetry.InitStart) error
	InitRuntimeDone       func(ctx context.Context, at time.Time, r telemetry.InitRuntimeDone) error
	InitReport            func(ctx context.Context, at time.Time, r telemetry.InitReport) error
	RestoreStart          func(ctx context.Context, at time.Time, r telemetry.RestoreStart) error
	RestoreRuntimeDone    func(ctx context.Context, at time.Time, r telemetry.RestoreRuntimeDone) error
	RestoreReport         func(ctx context.Context, at time.Time, r telemetry.RestoreReport) error
	Start                 func(ctx context.Context, at time.Time, r telemetry.Start) error
	RuntimeDone           func(ctx context.Context, at time.Time, r telemetry.RuntimeDone) error
	Report                func(ctx context.Context, at time.Time, r telemetry.Report) error
	Extension             func(ctx context.Context, at time.Time, r telemetry.Extension) error
	TelemetrySubscription func(ctx context.Context, at time.Time, r telemetry.TelemetrySubscription) error
	// LogsDropped comes whatever types were subscribed to.
	LogsDropped func(ctx context.Context, at time.Time, r telemetry.LogsDropped) error
	// Log gets the lines of the function and of extensions; typ tells them apart. A
	// line that is an object comes as its JSON text.
	Log func(ctx context.Context, at time.Time, typ telemetry.Type, line string) error
	// Other gets every event that none of those above is for, or that a later platform
	// has added.
	Other func(ctx context.Context, ev telemetry.Event) error
	// Done is called after each batch, with how many events it had: the time to send
	// what the others have gathered.
	Done func(ctx context.Context, events int) error
}

// Handle is what OnTelemetry gets.
func (h Handlers) Handle(ctx context.Context, events []telemetry.Event) error {
	for _, ev := range events {
		if err := h.one(ctx, ev); err != nil {
			return err
		}
	}
	if h.Done != nil {
		return h.Done(ctx, len(events))
	}
	return nil
}

func (h Handlers) one(ctx context.Context, ev telemetry.Event) error {
	switch r := ev.Record.(type) {
	case telemetry.InitStart:
		return handle(ctx, h, ev, h.InitStart, r)
	case telemetry.InitRuntimeDone:
		return handle(ctx, h, ev, h.InitRuntimeDone, r)
	case telemetry.InitReport:
		return handle(ctx, h, ev, h.InitReport, r)
	case telemetry.RestoreStart:
		return handle(ctx, h, ev, h.RestoreStart, r)
	case telemetry.RestoreRuntimeDone:
		return handle(ctx, h, ev, h.RestoreRuntimeDone, r)
	case telemetry.RestoreReport:
		return handle(ctx, h, ev, h.RestoreReport, r)
	case telemetry.Start:
		return handle(ctx, h, ev, h.Start, r)
	case telemetry.RuntimeDone:
		return handle(ctx, h, ev, h.RuntimeDone, r)
	case telemetry.Report:
		return handle(ctx, h, ev, h.Report, r)
	case telemetry.Extension:
		return handle(ctx, h, ev, h.Extension, r)
	case telemetry.TelemetrySubscription:
		return handle(ctx, h, ev, h.TelemetrySubscription, r)
	case telemetry.LogsDropped:
		return handle(ctx, h, ev, h.LogsDropped, r)
	case string:
		return h.line(ctx, ev, r)
	case json.RawMessage:
		return h.line(ctx, ev, string(r))
	}
	return h.other(ctx, ev)
}

func handle[R any](ctx context.Context, h Handlers, ev telemetry.Event, do func(context.Context, time.Time, R) error, record R) error {
	if do == nil {
		return h.other(ctx, ev)
	}
	return do(ctx, ev.Time, record)
}

func (h Handlers) line(ctx context.Context, ev telemetry.Event, line string) error {
	if h.Log == nil || ev.Type.Category() == telemetry.CategoryPlatform { // platform.fault is text, and no line
		return h.other(ctx, ev)
	}
	return h.Log(ctx, ev.Time, ev.Type, line)
}

func (h Handlers) other(ctx context.Context, ev telemetry.Event) error {
	if h.Other == nil {
		return nil
	}
	return h.Other(ctx, ev)
}
