package otelsink

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// tellEvery is how often the operator is told of one outlet's losses at most.
const tellEvery = time.Minute

// errFull is why something is lost before it gets to an exporter.
var errFull = errors.New("more is produced than the collector takes: the queue is full")

// outlet is what stands before one signal's exporter: it lets in as much as the SDK's
// queue holds, so that nothing is lost uncounted there, and it keeps an exporter's
// errors from the SDK, which would print each.
type outlet struct {
	signal string
	limit  int64
	tell   func(text string, err error)
	ctx    context.Context // ends when Shutdown gives up
	now    func() time.Time

	pending, lost atomic.Int64

	mu      sync.Mutex
	failing bool // the operator has been told
	told    time.Time
	before  int64 // lost when that began
}

// admit counts one record in, or as lost where the queue is full. It never blocks.
func (o *outlet) admit() bool {
	if o.pending.Add(1) <= o.limit {
		return true
	}
	o.pending.Add(-1)
	o.lose(1, errFull)
	return false
}

// send exports n records, which were counted in.
func (o *outlet) send(ctx context.Context, n int, export func(context.Context) error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(o.ctx, cancel)()
	err := export(ctx)
	o.pending.Add(-int64(n))
	if err != nil {
		o.lose(int64(n), err)
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.failing {
		o.failing = false
		o.tell(fmt.Sprintf("OpenTelemetry %s are exported again; %d were lost", o.signal, o.lost.Load()-o.before), nil)
	}
}

// lose counts n records as lost and tells the operator, unless he knows.
func (o *outlet) lose(n int64, err error) {
	before := o.lost.Add(n) - n
	o.mu.Lock()
	defer o.mu.Unlock()
	if now := o.now(); !o.failing && (o.told.IsZero() || now.Sub(o.told) >= tellEvery) {
		o.failing, o.told, o.before = true, now, before
		o.tell("OpenTelemetry "+o.signal+" are lost; this is told again when it is over", err)
	}
}

func (o *outlet) attributes() attribute.Set {
	return attribute.NewSet(attribute.String("lambent.telemetry.signal", o.signal))
}

// strays is who is told what the SDK hands to its error handler, of which a process has
// one: an instrument that is made wrongly, a page that cannot be written. The last sink
// that was made is.
var (
	strays     atomic.Pointer[Sink]
	hearStrays = sync.OnceFunc(func() {
		otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
			if s := strays.Load(); s != nil && !errors.Is(err, context.Canceled) {
				s.stray.lose(0, err)
			}
		}))
	})
)

func (s *Sink) hearStrays() {
	strays.Store(s)
	hearStrays()
}

// spanGate lets spans into the SDK's queue.
type spanGate struct {
	sdktrace.SpanProcessor
	outlet *outlet
}

// OnEnd takes a span that is sampled, as the processor behind does.
func (g spanGate) OnEnd(span sdktrace.ReadOnlySpan) {
	if span.SpanContext().IsSampled() && g.outlet.admit() {
		g.SpanProcessor.OnEnd(span)
	}
}

type spanOutlet struct {
	sdktrace.SpanExporter
	outlet *outlet
}

// ExportSpans never fails: what is lost is the outlet's to tell.
func (o spanOutlet) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	o.outlet.send(ctx, len(spans), func(ctx context.Context) error { return o.SpanExporter.ExportSpans(ctx, spans) })
	return nil
}

type metricOutlet struct {
	sdkmetric.Exporter
	outlet *outlet
}

// Export never fails: what is lost is the outlet's to tell.
func (o metricOutlet) Export(ctx context.Context, metrics *metricdata.ResourceMetrics) error {
	o.outlet.pending.Add(1)
	o.outlet.send(ctx, 1, func(ctx context.Context) error { return o.Exporter.Export(ctx, metrics) })
	return nil
}

type logOutlet struct {
	sdklog.Exporter
	outlet *outlet
}

// Export never fails: what is lost is the outlet's to tell.
func (o logOutlet) Export(ctx context.Context, records []sdklog.Record) error {
	o.outlet.send(ctx, len(records), func(ctx context.Context) error { return o.Exporter.Export(ctx, records) })
	return nil
}
