package otelsink

import (
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	logscollector "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	tracecollector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/lambent-host/lambent/telemetry"
)

// A trace of which the functions of these tests are given a span.
const (
	givenTrace  = "5759e988bd862e3fe1be46a994272793"
	givenSpan   = "53995c3f42cd8ad8"
	givenHeader = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
)

// exported is what an endpoint got of what was published.
type exported struct {
	mu    sync.Mutex
	logs  []*logspb.LogRecord
	spans []*tracepb.ResourceSpans
}

func (e *exported) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var logs logscollector.ExportLogsServiceRequest
	var traces tracecollector.ExportTraceServiceRequest
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case r.URL.Path == "/v1/logs" && proto.Unmarshal(body, &logs) == nil:
		for _, resource := range logs.ResourceLogs {
			for _, scope := range resource.ScopeLogs {
				e.logs = append(e.logs, scope.LogRecords...)
			}
		}
	case r.URL.Path == "/v1/traces" && proto.Unmarshal(body, &traces) == nil:
		e.spans = append(e.spans, traces.ResourceSpans...)
	}
}

// export publishes to a stream, closes it, and returns what was exported.
func export(t *testing.T, publish func(*telemetry.Stream)) *exported {
	t.Helper()
	got := new(exported)
	server := httptest.NewServer(got)
	defer server.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	s, err := New(t.Context(), Config{Env: []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + server.URL}})
	if err != nil {
		t.Fatal(err)
	}
	bus := telemetry.NewBus()
	s.Follow(bus)
	publish(bus.Open(telemetry.Source{
		FunctionName: "f", FunctionVersion: "7", FunctionARN: "arn:f", LogGroup: "/aws/lambda/f", LogStream: "2026/11/23/[7]abc",
	}))
	bus.Close()
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	return got
}

func begin(stream *telemetry.Stream, id string) {
	stream.Publish(telemetry.TypeStart, telemetry.Start{RequestID: id, Tracing: &telemetry.Tracing{Type: telemetry.TracingType, Value: givenHeader}})
}

func attributes(list []*commonpb.KeyValue) map[string]string {
	m := map[string]string{}
	for _, a := range list {
		m[a.Key] = text(a.Value)
	}
	return m
}

func text(v *commonpb.AnyValue) string {
	if s, ok := v.GetValue().(*commonpb.AnyValue_StringValue); ok {
		return s.StringValue
	}
	return strings.ReplaceAll(v.String(), "  ", " ")
}

func TestLinesBelongToTheInvocationUnderWay(t *testing.T) {
	got := export(t, func(s *telemetry.Stream) {
		s.Publish(telemetry.TypeFunction, "init")
		begin(s, "one")
		s.Publish(telemetry.TypeFunction, "during")
		s.Publish(telemetry.TypeExtension, "beside")
		s.Publish(telemetry.TypeReport, telemetry.Report{RequestID: "one"})
		s.Publish(telemetry.TypeExtension, "after")
	})
	type line struct{ body, trace, span, id, kind string }
	var lines []line
	for _, r := range got.logs {
		a := attributes(r.Attributes)
		lines = append(lines, line{text(r.Body), hex.EncodeToString(r.TraceId), hex.EncodeToString(r.SpanId), a["faas.invocation_id"], a["lambent.log.type"]})
		if a["faas.name"] != "f" || a["faas.version"] != "7" || a["faas.instance"] != "2026/11/23/[7]abc" || a["cloud.resource_id"] != "arn:f" ||
			!strings.Contains(a["aws.log.group.names"], "/aws/lambda/f") || !strings.Contains(a["aws.log.stream.names"], "2026/11/23/[7]abc") {
			t.Errorf("attributes %v", a)
		}
	}
	want := []line{
		{"init", "", "", "", "function"},
		{"during", givenTrace, givenSpan, "one", "function"},
		{"beside", givenTrace, givenSpan, "one", "extension"},
		{"after", "", "", "", "extension"},
	}
	if !slices.Equal(lines, want) {
		t.Errorf("lines %q, want %q", lines, want)
	}
}

func TestAnObjectIsSeverityTimeBodyAndAttributes(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	got := export(t, func(s *telemetry.Stream) {
		begin(s, "one")
		// As a text of which nobody knew that it is an object, and as the other.
		s.Publish(telemetry.TypeFunction, `{"level":"warn","timestamp":"2026-01-02T03:04:05.000006Z","message":"low","left":3,"id":9007199254740993,"tags":["a",1],"of":{"b":null,"a":1.5},"faas.name":"another","service.name":"another"}`)
		s.Publish(telemetry.TypeFunction, json.RawMessage(`{"level":"ERROR","msg":"gone","trace_id":"`+givenTrace+`","span_id":"00f067aa0ba902b7"}`))
		s.Publish(telemetry.TypeFunction, json.RawMessage(`{"level":"fatal","msg":"theirs","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00f067aa0ba902b7"}`))
		s.Publish(telemetry.TypeFunction, json.RawMessage(`{"level":30,"event":"no message"}`))
		s.Publish(telemetry.TypeFunction, `{"level":"info"} and more`)
	})
	if len(got.logs) != 5 {
		t.Fatalf("%d records", len(got.logs))
	}
	low, gone, theirs, none, more := got.logs[0], got.logs[1], got.logs[2], got.logs[3], got.logs[4]
	if text(low.Body) != "low" || low.SeverityNumber != logspb.SeverityNumber_SEVERITY_NUMBER_WARN || low.SeverityText != "warn" || low.TimeUnixNano != uint64(at.UnixNano()) || low.ObservedTimeUnixNano == low.TimeUnixNano {
		t.Errorf("record %v", low)
	}
	a := attributes(low.Attributes)
	for key, want := range map[string]string{
		"left": "int_value:3", "id": "int_value:9007199254740993", "faas.name": "f",
		"tags": `array_value:{values:{string_value:"a"} values:{int_value:1}}`,
		"of":   `kvlist_value:{values:{key:"a" value:{double_value:1.5}} values:{key:"b" value:{}}}`,
	} {
		if a[key] != want {
			t.Errorf("%s is %q, want %q", key, a[key], want)
		}
	}
	if a["service.name"] != "" {
		t.Errorf("a guest calls itself %s", a["service.name"])
	}
	if a["level"] != "" || a["message"] != "" || a["timestamp"] != "" {
		t.Errorf("attributes repeat what the record has: %v", a)
	}
	if hex.EncodeToString(gone.SpanId) != "00f067aa0ba902b7" || gone.SeverityNumber != logspb.SeverityNumber_SEVERITY_NUMBER_ERROR {
		t.Errorf("a line of the guest's own span: %v", gone)
	}
	if hex.EncodeToString(theirs.TraceId) != givenTrace || hex.EncodeToString(theirs.SpanId) != givenSpan {
		t.Errorf("a line that claims another trace is of %x, %x", theirs.TraceId, theirs.SpanId)
	}
	if !strings.Contains(none.Body.String(), "no message") || none.SeverityNumber != 0 {
		t.Errorf("a line without a message: %v", none)
	}
	if text(more.Body) != `{"level":"info"} and more` {
		t.Errorf("a line that is no object: %v", more)
	}
}

// Rather none than a wrong id: what was lost may have been the start of another.
func TestAfterALossNoLineIsOfAnInvocation(t *testing.T) {
	got := export(t, func(s *telemetry.Stream) {
		begin(s, "one")
		s.Publish(telemetry.TypeLogsDropped, telemetry.LogsDropped{DroppedRecords: 3})
		s.Publish(telemetry.TypeFunction, "whose?")
	})
	if len(got.logs) != 1 || len(got.logs[0].TraceId) != 0 || attributes(got.logs[0].Attributes)["faas.invocation_id"] != "" {
		t.Errorf("records %v", got.logs)
	}
}

func TestWhereNothingIsExportedTheBusHasNoReader(t *testing.T) {
	cases := map[string][]telemetry.Category{
		"":                           nil,
		"OTEL_METRICS_EXPORTER=none": nil,
		"OTEL_LOGS_EXPORTER=console": {telemetry.CategoryPlatform, telemetry.CategoryFunction, telemetry.CategoryExtension},
		"OTEL_TRACES_EXPORTER=otlp":  {telemetry.CategoryPlatform, telemetry.CategoryFunction}, // guests' spans
	}
	for env, want := range cases {
		s, err := New(t.Context(), Config{Env: []string{env}})
		if err != nil {
			t.Fatal(err)
		}
		bus := telemetry.NewBus()
		s.Follow(bus)
		stream := bus.Open(telemetry.Source{})
		stream.Seal()
		for _, c := range []telemetry.Category{telemetry.CategoryPlatform, telemetry.CategoryFunction, telemetry.CategoryExtension} {
			if stream.Wants(c) != slices.Contains(want, c) {
				t.Errorf("%q: %s wanted is %v", env, c, stream.Wants(c))
			}
		}
		bus.Close()
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
