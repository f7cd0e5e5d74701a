package otelsink

import (
	"bytes"
	"encoding/json"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/lambent-host/lambent/telemetry"
)

// A guest has no network to send its spans over. It writes them to its log, one line of
// OTLP in JSON for a batch, as OpenTelemetry's file exporter does ("OpenTelemetry
// Protocol File Exporter", which names functions as its use), and the host exports
// them with its own. Such a line is no log record then.

// Bounds of what one line makes of the host's memory.
const (
	maxGuestSpans      = 512
	maxGuestAttributes = 128 // of a span, an event or a resource; events of a span
)

// guestMark is in each line that may carry spans.
var guestMark = []byte(`"resourceSpans"`)

// spans exports the spans that a line carries. It tells whether there were any: a line
// without, one that is not the guest's to write, and all lines of an invocation whose
// trace is not sampled, stay lines of the log.
func (f *follower) spans(src *telemetry.Source, in invocation, line []byte) bool {
	if !in.span.IsSampled() || !bytes.Contains(line, guestMark) {
		return false
	}
	var traces guestTraces
	if err := json.Unmarshal(line, &traces); err != nil {
		return false
	}
	stubs, ok := traces.stubs(src, in)
	if !ok {
		return false
	}
	for _, span := range stubs.Snapshots() {
		f.sink.spans.OnEnd(span)
	}
	return true
}

// stubs are the spans of a line; ok is false if there are none, too many, or one that is
// not of the invocation's trace or that would pass for the host's.
func (t guestTraces) stubs(src *telemetry.Source, in invocation) (stubs tracetest.SpanStubs, ok bool) {
	for _, r := range t.ResourceSpans {
		res := guestResource(src, r.Resource.Attributes)
		for _, s := range r.ScopeSpans {
			scope := instrumentation.Scope{Name: s.Scope.Name, Version: s.Scope.Version}
			for _, span := range s.Spans {
				stub, fits := span.stub(in)
				if !fits || len(stubs) >= maxGuestSpans {
					return nil, false
				}
				stub.Resource, stub.InstrumentationScope = res, scope
				stubs = append(stubs, stub)
			}
		}
	}
	return stubs, len(stubs) > 0
}

// guestResource is what a function's spans are of: the function, whatever it says.
func guestResource(src *telemetry.Source, said guestAttributes) *resource.Resource {
	attributes := []attribute.KeyValue{
		semconv.ServiceName(src.FunctionName), semconv.ServiceVersion(src.FunctionVersion),
	}
	for _, a := range said.list() {
		if !reserved(string(a.Key)) {
			attributes = append(attributes, a)
		}
	}
	return resource.NewWithAttributes(semconv.SchemaURL, append(attributes, originOf(src)...)...)
}

// stub makes a span of the invocation's trace. One without a parent is a child of the
// span that the guest was given; that span itself is the host's.
func (s guestSpan) stub(in invocation) (tracetest.SpanStub, bool) {
	var trc trace.TraceID
	var id, parent trace.SpanID
	if !s.TraceID.fill(trc[:]) || !s.SpanID.fill(id[:]) || trc != in.span.TraceID() || id == in.span.SpanID() {
		return tracetest.SpanStub{}, false
	}
	if !s.ParentSpanID.fill(parent[:]) {
		parent = in.span.SpanID()
	}
	began, ended := time.Unix(0, int64(s.Start)), time.Unix(0, int64(s.End))
	if s.Name == "" || s.Start == 0 || ended.Before(began) {
		return tracetest.SpanStub{}, false
	}
	stub := tracetest.SpanStub{
		Name: bounded(s.Name), SpanKind: trace.SpanKind(s.Kind),
		SpanContext: in.span.WithSpanID(id).WithRemote(false),
		Parent:      in.span.WithSpanID(parent),
		StartTime:   began, EndTime: ended,
		Attributes: append(s.Attributes.list(), semconv.FaaSInvocationID(in.id)),
		Status:     s.status(),
	}
	for i, event := range s.Events {
		if i == maxGuestAttributes {
			stub.DroppedEvents = len(s.Events) - i
			break
		}
		stub.Events = append(stub.Events, sdktrace.Event{
			Name: event.Name, Time: time.Unix(0, int64(event.Time)), Attributes: event.Attributes.list(),
		})
	}
	return stub, true
}

// status translates: the numbers of OTLP are not those of the API.
func (s guestSpan) status() sdktrace.Status {
	switch s.Status.Code {
	case 1:
		return sdktrace.Status{Code: codes.Ok}
	case 2:
		return sdktrace.Status{Code: codes.Error, Description: s.Status.Message}
	}
	return sdktrace.Status{}
}

// bounded cuts a name to what a backend can show.
func bounded(name string) string {
	const limit = 1 << 10
	if len(name) > limit {
		return name[:limit]
	}
	return name
}
