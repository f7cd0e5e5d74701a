package invoke

import (
	"context"
	"crypto/rand"
	"strings"

	"go.opentelemetry.io/contrib/propagators/aws/xray"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/lambent-host/lambent/host/catalogue"
)

// traceHeader is the header, and the name in telemetry, of AWS's trace context.
const traceHeader = "X-Amzn-Trace-Id"

// observe gives the invocation the span that all others are under. Attribute
// names are OpenTelemetry's semantic conventions for functions (faas.*).
func observe(cfg Config, next step) step {
	return func(ctx context.Context, c *call) (*Outcome, error) {
		ctx, c.span = cfg.Tracer.Start(adoptRoot(ctx, c.req.TraceID), "invocation",
			trace.WithSpanKind(trace.SpanKindServer),
			trace.WithAttributes(
				attribute.String("faas.name", c.req.FunctionName),
				attribute.String("faas.invocation_id", c.req.RequestID),
			))
		outcome, err := next(ctx, c)
		if outcome != nil && outcome.FunctionError != "" {
			c.span.SetStatus(codes.Error, "the function failed")
		}
		end(c.span, err)
		return outcome, err
	}
}

// functionAttributes say which code ran, once that is resolved.
func functionAttributes(v catalogue.Version) []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.String("faas.version", v.Version),
		attribute.String("cloud.resource_id", v.QualifiedARN()),
	}
}

// end closes a span, marked with err if there is one.
func end(span trace.Span, err error) {
	if err != nil {
		span.RecordError(err)
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
}

func coldStart(cold bool) attribute.KeyValue { return attribute.Bool("faas.coldstart", cold) }

// traceIDOf renders the span of ctx as X-Amzn-Trace-Id; "" where there is none.
func traceIDOf(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	xray.Propagator{}.Inject(ctx, carrier)
	return carrier.Get(traceHeader)
}

// adoptRoot continues a trace of which only the root is known: AWS's clients may
// send "Root=1-...;Sampled=1" without a parent, which the propagator refuses as
// incomplete. The parent is then made up, as X-Ray does for a first segment.
func adoptRoot(ctx context.Context, header string) context.Context {
	if header == "" || trace.SpanContextFromContext(ctx).IsValid() || strings.Contains(header, "Parent=") {
		return ctx
	}
	var parent [8]byte
	_, _ = rand.Read(parent[:]) // never fails (crypto/rand)
	completed := header + ";Parent=" + trace.SpanID(parent).String()
	if !strings.Contains(header, "Sampled=") {
		completed += ";Sampled=0"
	}
	return xray.Propagator{}.Extract(ctx, propagation.MapCarrier{traceHeader: completed})
}
