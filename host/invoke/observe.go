package invoke

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/contrib/propagators/aws/xray"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/lambent-host/lambent/host/catalogue"
	"github.com/lambent-host/lambent/host/environment"
	"github.com/lambent-host/lambent/telemetry"
)

// traceHeader is the header, and the name in telemetry, of AWS's trace context.
const traceHeader = "X-Amzn-Trace-Id"

// observe gives the invocation the span that all others are under, and counts what
// never got as far as running. Attribute names are OpenTelemetry's semantic
// conventions for functions (faas.*), and so is the function's name as the span's,
// which it gets once it is known to be one.
func observe(cfg Config, m *meters, next step) step {
	return func(ctx context.Context, c *call) (*Outcome, error) {
		kind := trace.SpanKindServer
		if c.req.Async {
			kind = trace.SpanKindConsumer
		}
		ctx, c.span = cfg.Tracer.Start(ContinueTrace(ctx, c.req.TraceID), "invocation",
			trace.WithSpanKind(kind),
			trace.WithAttributes(
				semconv.FaaSName(c.req.FunctionName),
				semconv.FaaSInvocationID(c.req.RequestID),
				triggerOf(c.req.Async),
			))
		outcome, err := next(ctx, c)
		if outcome != nil && outcome.FunctionError != "" {
			c.span.SetStatus(codes.Error, "the function failed")
		}
		if err != nil {
			m.refused(ctx, c, err)
		}
		end(c.span, err)
		return outcome, err
	}
}

// resolved tells the span which code runs.
func resolved(span trace.Span, v catalogue.Version) {
	if !span.IsRecording() {
		return
	}
	span.SetName(v.FunctionName)
	span.SetAttributes(
		semconv.FaaSVersion(v.Version),
		semconv.FaaSMaxMemory(v.MemorySize<<20),
		semconv.CloudResourceID(v.QualifiedARN()),
	)
}

// placed tells the spans which environment it got, and how that came to be.
func placed(invocation, span trace.Span, lease *environment.Lease) {
	switch {
	case lease.Cold() && lease.Restored():
		span.SetName("restore")
	case lease.Cold():
		span.SetName("init")
	}
	if !invocation.IsRecording() {
		return
	}
	invocation.SetAttributes(semconv.FaaSColdstart(lease.Cold()), semconv.FaaSInstance(lease.Instance()))
	if status, typ := lease.InitStatus(); lease.Cold() && status != telemetry.StatusSuccess {
		span.SetAttributes(errorType(typ))
		span.SetStatus(codes.Error, "init: "+string(status))
	}
}

// failed marks the spans of an invocation whose function failed, with what the
// function, or the platform in its stead, says of it.
func failed(invocation, span trace.Span, document []byte) {
	if !span.IsRecording() {
		return
	}
	var told struct {
		Type    string            `json:"errorType"`
		Message string            `json:"errorMessage"`
		Stack   []json.RawMessage `json:"stackTrace"`
	}
	_ = json.Unmarshal(document, &told) // a guest may write anything: what is readable is used
	attributes := []attribute.KeyValue{
		semconv.ExceptionType(bounded(told.Type)), semconv.ExceptionMessage(bounded(told.Message)),
	}
	if len(told.Stack) > 0 {
		lines := make([]string, len(told.Stack))
		for i, line := range told.Stack {
			lines[i] = string(line)
		}
		attributes = append(attributes, semconv.ExceptionStacktrace(bounded(strings.Join(lines, "\n"))))
	}
	span.AddEvent("exception", trace.WithAttributes(attributes...))
	span.SetStatus(codes.Error, bounded(told.Message))
	span.SetAttributes(errorType(told.Type))
	invocation.SetAttributes(errorType(told.Type))
}

// repeated is the span of an init that the invocation had to repeat.
func repeated(ctx context.Context, tracer trace.Tracer, r environment.Report) {
	if r.Repeated {
		_, span := tracer.Start(ctx, "init", trace.WithTimestamp(r.Began))
		span.End(trace.WithTimestamp(r.Began.Add(r.Init)))
	}
}

// overhead is the span of what extensions did after the function was done. It may
// begin and end after the caller was answered, and its parent has ended then.
func overhead(ctx context.Context, tracer trace.Tracer, r environment.Report) {
	if r.Extensions == 0 {
		return
	}
	_, span := tracer.Start(ctx, "extension overhead", trace.WithTimestamp(r.Answered))
	if r.Late {
		span.SetAttributes(errorType(r.ErrorType))
		span.SetStatus(codes.Error, "extensions: "+string(r.Status))
	}
	span.End(trace.WithTimestamp(r.Ended))
}

func errorType(name string) attribute.KeyValue {
	if name == "" {
		return semconv.ErrorTypeOther
	}
	return semconv.ErrorTypeKey.String(bounded(name))
}

// bounded cuts what a guest says to what an exporter should have to carry.
func bounded(text string) string {
	const limit = 4 << 10
	if len(text) > limit {
		text = text[:limit]
	}
	return strings.ToValidUTF8(text, string(utf8.RuneError))
}

// end closes a span, marked with err if there is one.
func end(span trace.Span, err error) {
	if err != nil {
		span.RecordError(err)
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
}

// traceIDOf renders the span of ctx as X-Amzn-Trace-Id; "" where there is none.
func traceIDOf(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	xray.Propagator{}.Inject(ctx, carrier)
	return carrier.Get(traceHeader)
}

// ContinueTrace returns ctx in the trace of an X-Amzn-Trace-Id: that of an event that
// was stored, or of a caller. A trace that ctx is in already stays. Of the header only
// the root may be known: AWS's clients may send "Root=1-...;Sampled=1" without a
// parent, which the propagator refuses as incomplete. The parent is then made up, as
// X-Ray does for a first segment.
func ContinueTrace(ctx context.Context, header string) context.Context {
	if header == "" || trace.SpanContextFromContext(ctx).IsValid() {
		return ctx
	}
	if !strings.Contains(header, "Parent=") {
		var parent [8]byte
		_, _ = rand.Read(parent[:]) // never fails (crypto/rand)
		header += ";Parent=" + trace.SpanID(parent).String()
	}
	if !strings.Contains(header, "Sampled=") {
		header += ";Sampled=0"
	}
	return xray.Propagator{}.Extract(ctx, propagation.MapCarrier{traceHeader: header})
}
