package invoke

import (
	"context"
	"errors"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/faasconv"

	"github.com/lambent-host/lambent/host/environment"
	"github.com/lambent-host/lambent/telemetry"
)

// Bounds of the histograms. Those of times are the conventions' from 5 ms to 10 s, and
// more on both sides: a warm invocation takes microseconds here, and one may take 15
// minutes. Those of memory are Lambda's sizes, and smaller ones.
var (
	secondsBounds = []float64{
		.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 60, 300, 900,
	}
	bytesBounds = []float64{
		1 << 20, 4 << 20, 16 << 20, 32 << 20, 64 << 20, 128 << 20, 256 << 20, 512 << 20, 1 << 30, 2 << 30, 4 << 30,
	}
)

// meters are the instruments of invocations: OpenTelemetry's for functions, and
// Lambent's own where there is no convention. Each invocation counts in one of
// invocations, errors, timeouts and throttles. It is safe for concurrent use.
type meters struct {
	invocations faasconv.Invocations
	coldstarts  faasconv.Coldstarts
	errors      faasconv.Errors
	timeouts    faasconv.Timeouts
	duration    faasconv.InvokeDuration
	initialized faasconv.InitDuration
	memory      faasconv.MemUsage
	cpu         faasconv.CPUUsage
	restored    metric.Float64Histogram
	overhead    metric.Float64Histogram
	throttles   metric.Int64Counter

	mu     sync.RWMutex
	series map[measured]series
}

// measured is what invocations are counted by.
type measured struct {
	function, version string
	async             bool
}

// series are the attributes of a [measured] in the forms that instruments take, made
// once: an invocation that is counted allocates nothing for it.
type series struct {
	add    []metric.AddOption
	record []metric.RecordOption
}

// newMeters makes the instruments. An error can only be about their names, which
// are constants, and the instrument does nothing then.
func newMeters(m metric.Meter) *meters {
	seconds := metric.WithExplicitBucketBoundaries(secondsBounds...)
	s := &meters{series: map[measured]series{}}
	s.invocations, _ = faasconv.NewInvocations(m)
	s.coldstarts, _ = faasconv.NewColdstarts(m)
	s.errors, _ = faasconv.NewErrors(m)
	s.timeouts, _ = faasconv.NewTimeouts(m)
	s.duration, _ = faasconv.NewInvokeDuration(m, seconds)
	s.initialized, _ = faasconv.NewInitDuration(m, seconds)
	s.memory, _ = faasconv.NewMemUsage(m, metric.WithExplicitBucketBoundaries(bytesBounds...))
	s.cpu, _ = faasconv.NewCPUUsage(m, seconds)
	s.restored, _ = m.Float64Histogram("lambent.restore_duration", seconds, metric.WithUnit("s"),
		metric.WithDescription("Measures how long it took to restore an environment from its snapshot, extensions included."))
	s.overhead, _ = m.Float64Histogram("lambent.extension_overhead", seconds, metric.WithUnit("s"),
		metric.WithDescription("Measures how long extensions worked on after the function was done."))
	s.throttles, _ = m.Int64Counter("lambent.throttles", metric.WithUnit("{invocation}"),
		metric.WithDescription("Number of invocations that were refused because too many ran."))
	return s
}

// reported counts an invocation that ran.
func (m *meters) reported(ctx context.Context, c *call, r environment.Report) {
	if !m.invocations.Inst().Enabled(ctx) {
		return
	}
	of := m.seriesOf(c)
	switch {
	case r.Status == telemetry.StatusTimeout:
		m.timeouts.Inst().Add(ctx, 1, of.add...)
	case r.Failed:
		m.errors.Inst().Add(ctx, 1, of.add...)
	default:
		m.invocations.Inst().Add(ctx, 1, of.add...)
	}
	m.duration.Inst().Record(ctx, r.Answered.Sub(r.Began).Seconds(), of.record...)
	m.cpu.Inst().Record(ctx, r.CPU.Seconds(), of.record...)
	m.memory.Inst().Record(ctx, int64(r.MaxMemory), of.record...) //nolint:gosec // a wasm memory ends at 4 GiB
	if r.Extensions > 0 {
		m.overhead.Record(ctx, r.Ended.Sub(r.Answered).Seconds(), of.record...)
	}
	if !r.Cold {
		return
	}
	m.coldstarts.Inst().Add(ctx, 1, of.add...)
	if r.Restored {
		m.restored.Record(ctx, r.Init.Seconds(), of.record...)
	} else {
		m.initialized.Inst().Record(ctx, r.Init.Seconds(), of.record...)
	}
}

// refused counts an invocation that did not run. One of a function that is not there
// is nobody's: its name is the caller's invention, and would be a series for good.
func (m *meters) refused(ctx context.Context, c *call, err error) {
	if c.version.FunctionName == "" || !m.errors.Inst().Enabled(ctx) {
		return
	}
	var throttled interface{ Throttled() bool }
	if errors.As(err, &throttled) && throttled.Throttled() {
		m.throttles.Add(ctx, 1, m.seriesOf(c).add...)
		return
	}
	m.errors.Inst().Add(ctx, 1, m.seriesOf(c).add...)
}

// maxSeries bounds what is remembered of functions that may be gone by now.
const maxSeries = 10000

// seriesOf returns what the call is counted under.
func (m *meters) seriesOf(c *call) series {
	key := measured{c.version.FunctionName, c.version.Version, c.req.Async}
	m.mu.RLock()
	of, ok := m.series[key]
	m.mu.RUnlock()
	if ok {
		return of
	}
	set := metric.WithAttributeSet(attribute.NewSet(semconv.FaaSName(key.function), semconv.FaaSVersion(key.version), triggerOf(key.async)))
	of = series{add: []metric.AddOption{set}, record: []metric.RecordOption{set}}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.series) >= maxSeries {
		clear(m.series)
	}
	m.series[key] = of
	return of
}

// triggerOf is the convention's word for how the function was called: an event comes
// from the host's queue of messages, and for the Invoke operation there is no word.
func triggerOf(async bool) attribute.KeyValue {
	if async {
		return semconv.FaaSTriggerPubSub
	}
	return semconv.FaaSTriggerOther
}
