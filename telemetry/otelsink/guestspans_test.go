package otelsink

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/trace"

	"github.com/lambent-host/lambent/telemetry"
)

// spanLine is a line of OTLP in JSON, in the forms of the specification.
func spanLine(traceID, spanID, parent string) string {
	return fmt.Sprintf(`{"resourceSpans":[{"resource":{"attributes":[
		{"key":"service.name","value":{"stringValue":"somebody else"}},{"key":"deployment.environment.name","value":{"stringValue":"test"}}]},
		"scopeSpans":[{"scope":{"name":"lib","version":"1"},"spans":[{"traceId":%q,"spanId":%q,"parentSpanId":%q,"name":"child","kind":3,
		"startTimeUnixNano":"1700000000000000001","endTimeUnixNano":"1700000000000000002",
		"attributes":[{"key":"n","value":{"intValue":"7"}},{"key":"x","value":{"doubleValue":1.5}},{"key":"l","value":{"arrayValue":{"values":[{"boolValue":true}]}}}],
		"events":[{"timeUnixNano":1700000000000000001,"name":"cached","attributes":[{"key":"hit","value":{"boolValue":false}}]}],
		"status":{"code":2,"message":"no"},"somethingNew":1}]}]}]}`, traceID, spanID, parent)
}

func TestALineOfSpansIsExportedAndNoLog(t *testing.T) {
	got := export(t, func(s *telemetry.Stream) {
		begin(s, "one")
		s.Publish(telemetry.TypeFunction, spanLine(givenTrace, "00f067aa0ba902b7", givenSpan))
		// protojson, which does not know of hexadecimal ids, has them in base64 and
		// names in the place of numbers; a span without a parent is the invocation's child.
		s.Publish(telemetry.TypeFunction, json.RawMessage(`{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"V1npiL2GLj/hvkaplCcnkw==","spanId":"APBnqgupAsc=",
			"name":"second","kind":"SPAN_KIND_SERVER","status":{"code":"STATUS_CODE_OK"},"startTimeUnixNano":"1","endTimeUnixNano":"2"}]}]}]}`))
	})
	if len(got.logs) != 0 || len(got.spans) == 0 {
		t.Fatalf("%d log records and %d resources, want none and some", len(got.logs), len(got.spans))
	}
	spans := map[string]*tracepb.Span{}
	for _, r := range got.spans {
		a := attributes(r.Resource.Attributes)
		if a["service.name"] != "f" || a["faas.name"] != "f" || a["cloud.resource_id"] != "arn:f" {
			t.Errorf("resource %v: a function is itself, whatever it says", a)
		}
		for _, s := range r.ScopeSpans {
			for _, span := range s.Spans {
				spans[span.Name] = span
				if span.Name == "child" && (s.Scope.Name != "lib" || a["deployment.environment.name"] != "test") {
					t.Errorf("scope %v, resource %v", s.Scope, a)
				}
			}
		}
	}
	child, second := spans["child"], spans["second"]
	if child == nil || second == nil {
		t.Fatalf("spans %v", spans)
	}
	a := attributes(child.Attributes)
	if hex.EncodeToString(child.TraceId) != givenTrace || hex.EncodeToString(child.SpanId) != "00f067aa0ba902b7" || hex.EncodeToString(child.ParentSpanId) != givenSpan ||
		child.Kind != tracepb.Span_SPAN_KIND_CLIENT || child.StartTimeUnixNano != 1700000000000000001 || child.EndTimeUnixNano != 1700000000000000002 ||
		a["n"] != "int_value:7" || a["x"] != "double_value:1.5" || a["faas.invocation_id"] != "one" ||
		len(child.Events) != 1 || child.Events[0].Name != "cached" || child.Status.Code != tracepb.Status_STATUS_CODE_ERROR || child.Status.Message != "no" {
		t.Errorf("span %v", child)
	}
	if hex.EncodeToString(second.TraceId) != givenTrace || hex.EncodeToString(second.ParentSpanId) != givenSpan ||
		second.Kind != tracepb.Span_SPAN_KIND_SERVER || second.Status.Code != tracepb.Status_STATUS_CODE_OK {
		t.Errorf("span %v", second)
	}
}

// What a guest may not write stays what it is: a line of its log.
func TestForeignSpansStayLines(t *testing.T) {
	const own = "00f067aa0ba902b7"
	good := spanLine(givenTrace, own, givenSpan)
	many := `{"resourceSpans":[{"scopeSpans":[{"spans":[` + strings.Repeat(`{"traceId":"`+givenTrace+`","spanId":"`+own+`","name":"n","startTimeUnixNano":1,"endTimeUnixNano":1},`, maxGuestSpans) +
		`{"traceId":"` + givenTrace + `","spanId":"` + own + `","name":"n","startTimeUnixNano":1,"endTimeUnixNano":1}]}]}]}`
	cases := map[string]string{
		"another trace":             spanLine("4bf92f3577b34da6a3ce929d0e0e4736", own, givenSpan),
		"the host's span":           spanLine(givenTrace, givenSpan, givenSpan),
		"no span id":                spanLine(givenTrace, "0000000000000000", givenSpan),
		"no trace id":               spanLine("", own, givenSpan),
		"ends before it begins":     strings.Replace(good, `"endTimeUnixNano":"17`, `"endTimeUnixNano":"16`, 1),
		"time out of range":         strings.Replace(good, `"startTimeUnixNano":"1700000000000000001"`, `"startTimeUnixNano":"99999999999999999999"`, 1),
		"too many":                  many,
		"nothing in it":             `{"resourceSpans":[]}`,
		"not JSON":                  strings.TrimSuffix(good, "}"),
		"an invocation not sampled": good,
	}
	for name, line := range cases {
		t.Run(name, func(t *testing.T) {
			got := export(t, func(s *telemetry.Stream) {
				header := givenHeader
				if name == "an invocation not sampled" {
					header = strings.Replace(header, "Sampled=1", "Sampled=0", 1)
				}
				s.Publish(telemetry.TypeStart, telemetry.Start{RequestID: "one", Tracing: &telemetry.Tracing{Type: telemetry.TracingType, Value: header}})
				s.Publish(telemetry.TypeFunction, line)
			})
			if len(got.spans) != 0 || len(got.logs) != 1 {
				t.Errorf("%d resources with spans and %d log records, want none and the line", len(got.spans), len(got.logs))
			}
		})
	}
}

// An extension is not the function, and nothing runs between invocations.
func TestOnlyAnInvocationWritesSpans(t *testing.T) {
	line := spanLine(givenTrace, "00f067aa0ba902b7", givenSpan)
	got := export(t, func(s *telemetry.Stream) {
		s.Publish(telemetry.TypeFunction, line)
		begin(s, "one")
		s.Publish(telemetry.TypeExtension, line)
		s.Publish(telemetry.TypeReport, telemetry.Report{RequestID: "one"})
		s.Publish(telemetry.TypeFunction, line)
	})
	if len(got.spans) != 0 || len(got.logs) != 3 {
		t.Errorf("%d resources with spans and %d log records, want none and three", len(got.spans), len(got.logs))
	}
}

// FuzzGuestLine: whatever a guest writes, the host lives, and no span that is made of
// it is of another trace.
func FuzzGuestLine(f *testing.F) {
	f.Add([]byte(spanLine(givenTrace, "00f067aa0ba902b7", givenSpan)))
	f.Add([]byte(`{"level":"info","message":"m","a":{"b":[1,2.5,null,true,"x"]}}`))
	f.Add([]byte(`{"resourceSpans":[{"scopeSpans":[{"spans":[{"kind":"SPAN_KIND_SERVER","events":[{}]}]}]}]}`))
	f.Add([]byte(`{"a":1e999,"time":"2026-01-02T03:04:05Z"}`))
	in := invocation{id: "one", span: spanOf(&telemetry.Tracing{Value: givenHeader})}
	src := &telemetry.Source{FunctionName: "f"}
	f.Fuzz(func(t *testing.T, line []byte) {
		if fields := objectOf(line); fields != nil {
			var r log.Record
			if span := fields.fill(&r, in.span); span.TraceID() != in.span.TraceID() {
				t.Errorf("a line is of trace %s", span.TraceID())
			}
		}
		var traces guestTraces
		if json.Unmarshal(line, &traces) != nil {
			return
		}
		stubs, ok := traces.stubs(src, in)
		if ok != (len(stubs) > 0) || len(stubs) > maxGuestSpans {
			t.Errorf("%d spans, %v", len(stubs), ok)
		}
		for _, span := range stubs.Snapshots() {
			if span.SpanContext().TraceID() != in.span.TraceID() || span.SpanContext().SpanID() == in.span.SpanID() ||
				!span.Parent().SpanID().IsValid() || span.EndTime().Before(span.StartTime()) || span.SpanKind() < trace.SpanKindUnspecified {
				t.Errorf("span %v", span)
			}
		}
	})
}
