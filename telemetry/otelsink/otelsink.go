// Package otelsink turns what the host tells into OpenTelemetry: spans, metrics and
// log records. It is the only place that knows the OTel SDK and its exporters. The
// rest of the host speaks the API (go.opentelemetry.io/otel/trace and metric), and
// publishes function logs as events of package telemetry.
//
// Which exporters, where to and how much is sampled is chosen by the standard OTEL_
// variables (exporters.go). What is exported goes through an outlet, which bounds
// it, counts what is lost and tells the operator. Logs are read from the bus
// (logs.go); a function continues its trace by a line of its log (guestspans.go).
// Read next: package host, which wires it.
package otelsink

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/contrib/propagators/aws/xray"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// scopeName names the host's instrumentation.
const scopeName = "github.com/lambent-host/lambent"

// FlushTimeout is what Shutdown waits at most for exporters to take what is left: a
// collector that hangs must not hold up the end of the host.
const FlushTimeout = 5 * time.Second

// SeriesLimit is how many sets of attributes each metric has; what is beyond is summed
// in one that is marked otel.metric.overflow. A function has one for each version
// that runs, and one more for each of these that gets events.
const SeriesLimit = 2000

// Config is what a Sink is made of.
type Config struct {
	// Env is the environment, "K=V", of which the choice of exporters is read. What the
	// SDK reads itself (endpoints, headers, timeouts, samplers, intervals) it reads
	// from the process.
	Env []string
	// Version is the program's.
	Version string
	// Region and AccountID are what the ARNs of functions are made of.
	Region, AccountID string
	// Tell is how the operator learns of exports that fail: once when it begins, and
	// once when it is over (err is nil then). It must not block; nil tells nobody.
	Tell func(text string, err error)
}

// Sink owns the providers. It is safe for concurrent use.
type Sink struct {
	traces  *sdktrace.TracerProvider
	meters  *sdkmetric.MeterProvider
	logs    *sdklog.LoggerProvider // nil: not exported
	spans   sdktrace.SpanProcessor // of functions' own spans; nil: not exported
	page    http.Handler           // nil: none
	outlets []*outlet
	logging *outlet
	res     *resource.Resource

	stray     *outlet            // what the SDK tells nobody else
	cancel    context.CancelFunc // of exports under way
	following sync.WaitGroup
}

// New builds the providers. An unknown exporter or protocol is an error that names the
// variable; nothing is left running then.
func New(ctx context.Context, cfg Config) (*Sink, error) {
	if cfg.Tell == nil {
		cfg.Tell = func(string, error) {}
	}
	choice, err := choose(environ(cfg.Env))
	if err != nil {
		return nil, err
	}
	s := &Sink{}
	if s.res, err = newResource(ctx, cfg); err != nil {
		return nil, err
	}
	exports, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	s.stray = &outlet{signal: "data", tell: cfg.Tell, ctx: exports, now: time.Now}
	s.hearStrays()
	outletOf := func(signal string, limit int64) *outlet {
		o := &outlet{signal: signal, limit: limit, tell: cfg.Tell, ctx: exports, now: time.Now}
		s.outlets = append(s.outlets, o)
		return o
	}
	err = errors.Join(
		s.openTraces(ctx, choice, outletOf),
		s.openMetrics(ctx, choice, outletOf),
		s.openLogs(ctx, choice, outletOf),
	)
	if err == nil {
		err = s.countLosses()
	}
	if err != nil {
		return nil, errors.Join(err, s.Shutdown(ctx))
	}
	return s, nil
}

type outletFunc func(signal string, limit int64) *outlet

func (s *Sink) openTraces(ctx context.Context, choice choices, outletOf outletFunc) error {
	// X-Amzn-Trace-Id holds the time a trace began in its first four bytes, and
	// X-Ray refuses traces of another age; for traceparent one id is as good as another.
	options := []sdktrace.TracerProviderOption{sdktrace.WithResource(s.res), sdktrace.WithIDGenerator(xray.NewIDGenerator())}
	exporter, err := choice.traceExporter(ctx)
	if exporter == nil {
		// Without an exporter ids are still made and passed on, so that a function's
		// own traces join those of its caller; what the caller samples stays sampled.
		options = append(options, sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.NeverSample())))
	} else {
		o := outletOf("traces", choice.env.number("OTEL_BSP_MAX_QUEUE_SIZE", sdktrace.DefaultMaxQueueSize))
		s.spans = spanGate{sdktrace.NewBatchSpanProcessor(spanOutlet{exporter, o}), o}
		options = append(options, sdktrace.WithSpanProcessor(s.spans))
	}
	s.traces = sdktrace.NewTracerProvider(options...)
	return err
}

func (s *Sink) openMetrics(ctx context.Context, choice choices, outletOf outletFunc) error {
	options := []sdkmetric.Option{sdkmetric.WithResource(s.res), sdkmetric.WithCardinalityLimit(SeriesLimit)}
	exporter, err := choice.metricExporter(ctx)
	if exporter != nil {
		options = append(options, sdkmetric.WithReader(sdkmetric.NewPeriodicReader(metricOutlet{exporter, outletOf("metrics", 1)})))
	}
	if choice.page {
		reader, page, pageErr := newPage()
		if err = errors.Join(err, pageErr); pageErr == nil {
			s.page, options = page, append(options, sdkmetric.WithReader(reader))
		}
	}
	s.meters = sdkmetric.NewMeterProvider(options...)
	return err
}

func (s *Sink) openLogs(ctx context.Context, choice choices, outletOf outletFunc) error {
	exporter, err := choice.logExporter(ctx)
	if exporter == nil {
		return err
	}
	const queue = 2048 // of the specification; the SDK does not export it
	s.logging = outletOf("logs", choice.env.number("OTEL_BLRP_MAX_QUEUE_SIZE", queue))
	s.logs = sdklog.NewLoggerProvider(sdklog.WithResource(s.res),
		sdklog.WithProcessor(sdklog.NewBatchProcessor(logOutlet{exporter, s.logging})))
	return err
}

// countLosses makes a metric of what outlets lose.
func (s *Sink) countLosses() error {
	_, err := s.Meter().Int64ObservableCounter("lambent.telemetry.dropped", metric.WithUnit("{record}"),
		metric.WithDescription("Number of spans, log records and exports of metrics that were lost on their way."),
		metric.WithInt64Callback(func(_ context.Context, observer metric.Int64Observer) error {
			for _, o := range s.outlets {
				observer.Observe(o.lost.Load(), metric.WithAttributeSet(o.attributes()))
			}
			return nil
		}))
	if err != nil {
		return fmt.Errorf("count what OpenTelemetry loses: %w", err)
	}
	return nil
}

// Tracer returns the tracer of the host.
func (s *Sink) Tracer() trace.Tracer {
	return s.traces.Tracer(scopeName, trace.WithSchemaURL(semconv.SchemaURL))
}

// Meter returns the meter of the host. Where no metrics are exported, its instruments
// say that they are not enabled.
func (s *Sink) Meter() metric.Meter {
	return s.meters.Meter(scopeName, metric.WithSchemaURL(semconv.SchemaURL))
}

// logger returns the logger of functions' logs.
func (s *Sink) logger() log.Logger {
	return s.logs.Logger(scopeName, log.WithSchemaURL(semconv.SchemaURL))
}

// Page is the handler of the metrics in Prometheus' format; nil where there is none.
func (s *Sink) Page() http.Handler { return s.page }

// Propagator reads and writes traceparent, baggage and X-Amzn-Trace-Id. Where a
// request carries both, traceparent wins: AWS's header is rewritten by every
// AWS proxy on the way, the W3C one by none.
func (s *Sink) Propagator() propagation.TextMapPropagator { return Propagator() }

// Propagator is the host's composite propagator.
func Propagator() propagation.TextMapPropagator {
	return propagation.NewCompositeTextMapPropagator(
		xray.Propagator{}, propagation.TraceContext{}, propagation.Baggage{})
}

// Shutdown sends what is buffered and ends the exporters, within ctx and within
// [FlushTimeout]. The bus that it follows has to be closed before.
func (s *Sink) Shutdown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, FlushTimeout)
	defer cancel()
	defer s.cancel() // nobody waits any more for what hangs
	defer strays.CompareAndSwap(s, nil)
	followed := make(chan struct{})
	go func() { s.following.Wait(); close(followed) }()
	select {
	case <-followed:
	case <-ctx.Done():
	}
	// At the same time: one signal's collector that hangs does not use up the others' time.
	ends := []func(context.Context) error{s.traces.Shutdown, s.meters.Shutdown}
	if s.logs != nil {
		ends = append(ends, s.logs.Shutdown)
	}
	errs := make([]error, len(ends))
	var work sync.WaitGroup
	for i, end := range ends {
		work.Go(func() { errs[i] = end(ctx) })
	}
	work.Wait()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("flush OpenTelemetry: %w", err)
	}
	return nil
}
