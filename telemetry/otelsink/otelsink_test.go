package otelsink

import (
	"context"
	"encoding/binary"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"go.opentelemetry.io/otel/trace"
)

// receiver is an OTLP/HTTP endpoint that keeps what it is sent.
type receiver struct {
	*httptest.Server
	requests chan *collector.ExportTraceServiceRequest
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{requests: make(chan *collector.ExportTraceServiceRequest, 8)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil || req.URL.Path != "/v1/traces" {
			http.Error(w, "unexpected", http.StatusBadRequest)
			return
		}
		message := new(collector.ExportTraceServiceRequest)
		if err := proto.Unmarshal(body, message); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.requests <- message
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(r.Close)
	return r
}

func TestSpansReachAnOTLPEndpointNamedByTheEnvironment(t *testing.T) {
	r := newReceiver(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", r.URL)
	sink, err := New(t.Context(), Config{Env: []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + r.URL}, Version: "1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	_, span := sink.Tracer().Start(t.Context(), "invoke")
	span.End()
	if err := sink.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	message := <-r.requests
	spans := message.ResourceSpans[0]
	if got := spans.ScopeSpans[0].Spans[0].Name; got != "invoke" {
		t.Errorf("span name %q, want invoke", got)
	}
	attributes := map[string]string{}
	for _, a := range spans.Resource.Attributes {
		attributes[a.Key] = a.Value.GetStringValue()
	}
	if attributes["service.name"] != "lambent" || attributes["service.version"] != "1.2.3" {
		t.Errorf("resource %v lacks the service's name and version", attributes)
	}
}

func TestWithoutExporterIdsAreMadeButNothingIsRecorded(t *testing.T) {
	for _, env := range [][]string{nil, {"OTEL_TRACES_EXPORTER=none"}, {"OTEL_SDK_DISABLED=true", "OTEL_TRACES_EXPORTER=otlp"}} {
		sink, err := New(t.Context(), Config{Env: env})
		if err != nil {
			t.Fatal(err)
		}
		_, span := sink.Tracer().Start(t.Context(), "invoke")
		if span.IsRecording() || !span.SpanContext().IsValid() {
			t.Errorf("%v: recording=%v valid=%v, want an unrecorded span with ids", env, span.IsRecording(), span.SpanContext().IsValid())
		}
		if err := sink.Shutdown(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWithoutExporterTheCallersDecisionIsPassedOn(t *testing.T) {
	sink, err := New(t.Context(), Config{Env: nil})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sink.Shutdown(context.Background()) }()
	for decision, want := range map[string]bool{"0": false, "1": true} {
		in := propagation.MapCarrier{"X-Amzn-Trace-Id": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=" + decision}
		ctx, span := sink.Tracer().Start(sink.Propagator().Extract(t.Context(), in), "invoke")
		out := propagation.MapCarrier{}
		sink.Propagator().Inject(ctx, out)
		span.End()
		id := out["X-Amzn-Trace-Id"]
		if !strings.HasPrefix(id, "Root=1-5759e988-bd862e3fe1be46a994272793;") || strings.HasSuffix(id, "Sampled=1") != want {
			t.Errorf("Sampled=%s became %q", decision, id)
		}
	}
}

func TestTraceIDsBeginWithTheTime(t *testing.T) {
	sink, err := New(t.Context(), Config{Env: nil})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sink.Shutdown(context.Background()) }()
	before := time.Now().Unix()
	_, span := sink.Tracer().Start(t.Context(), "invoke")
	id := span.SpanContext().TraceID()
	if began := int64(binary.BigEndian.Uint32(id[:4])); began < before || began > time.Now().Unix() {
		t.Errorf("trace %s began at %d, want about %d", id, began, before)
	}
}

func TestUnknownChoicesNameTheVariable(t *testing.T) {
	cases := map[string]string{
		"OTEL_TRACES_EXPORTER=zipkin":           "OTEL_TRACES_EXPORTER",
		"OTEL_EXPORTER_OTLP_PROTOCOL=http/json": "OTEL_EXPORTER_OTLP_PROTOCOL",
	}
	for setting, name := range cases {
		_, err := New(t.Context(), Config{Env: []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1", setting}})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v does not name %s", setting, err, name)
		}
	}
}

func TestProtocolsAndConsole(t *testing.T) {
	for _, env := range [][]string{
		{"OTEL_TRACES_EXPORTER=console"},
		{"OTEL_TRACES_EXPORTER=otlp", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=grpc"},
		{"OTEL_TRACES_EXPORTER=otlp", "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"},
	} {
		sink, err := New(t.Context(), Config{Env: env})
		if err != nil {
			t.Errorf("%v: %v", env, err)
			continue
		}
		if err := sink.Shutdown(t.Context()); err != nil {
			t.Errorf("%v: %v", env, err)
		}
	}
}

func TestPropagatorReadsBothHeadersAndPrefersTraceparent(t *testing.T) {
	const (
		w3cTrace  = "0af7651916cd43dd8448eb211c80319c"
		xrayTrace = "5759e988bd862e3fe1be46a994272793"
	)
	cases := []struct {
		name    string
		carrier propagation.MapCarrier
		want    string
	}{
		{"traceparent", propagation.MapCarrier{"traceparent": "00-" + w3cTrace + "-b7ad6b7169203331-01"}, w3cTrace},
		{"x-amzn-trace-id", propagation.MapCarrier{"X-Amzn-Trace-Id": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"}, xrayTrace},
		{"both", propagation.MapCarrier{
			"traceparent":     "00-" + w3cTrace + "-b7ad6b7169203331-01",
			"X-Amzn-Trace-Id": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
		}, w3cTrace},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			ctx := Propagator().Extract(context.Background(), c.carrier)
			if got := trace.SpanContextFromContext(ctx).TraceID().String(); got != c.want {
				t.Errorf("trace id %s, want %s", got, c.want)
			}
		})
	}
}

// A host of ten thousand functions does not make ten thousand series.
func TestSeriesAreBounded(t *testing.T) {
	sink, err := New(t.Context(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sink.Shutdown(context.Background()) }()
	counter, err := sink.Meter().Int64Counter("faas.invocations")
	if err != nil {
		t.Fatal(err)
	}
	for i := range SeriesLimit + 500 {
		counter.Add(t.Context(), 1, metric.WithAttributes(attribute.Int("faas.name", i)))
	}
	page := httptest.NewRecorder()
	sink.Page().ServeHTTP(page, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	if n := strings.Count(page.Body.String(), "\nfaas_invocations_total{"); n != SeriesLimit {
		t.Errorf("%d series, want %d", n, SeriesLimit)
	}
	if !strings.Contains(page.Body.String(), `faas_invocations_total{otel_metric_overflow="true"} 501`) {
		t.Error("what is beyond is not summed")
	}
}

func TestWhatIsChosenForMetrics(t *testing.T) {
	const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1"
	cases := []struct {
		env  []string
		push string
		page bool
	}{
		{nil, none, true},
		{[]string{endpoint}, otlp, true},
		{[]string{endpoint, "OTEL_METRICS_EXPORTER=prometheus"}, none, true},
		{[]string{"OTEL_METRICS_EXPORTER=otlp"}, otlp, false},
		{[]string{"OTEL_METRICS_EXPORTER=prometheus, console"}, console, true},
		{[]string{endpoint, "OTEL_METRICS_EXPORTER=none"}, none, false},
		{[]string{endpoint, "OTEL_SDK_DISABLED=TRUE"}, none, false},
		{[]string{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL=grpc"}, otlp, true},
	}
	for _, c := range cases {
		got, err := choose(c.env)
		if err != nil || got.metrics != c.push || got.page != c.page {
			t.Errorf("%v: %q, page %v, %v; want %q, %v", c.env, got.metrics, got.page, err, c.push, c.page)
		}
	}
	for _, wrong := range []string{"OTEL_METRICS_EXPORTER=otlp,console", "OTEL_TRACES_EXPORTER=prometheus", "OTEL_LOGS_EXPORTER=file"} {
		if _, err := choose(environ{wrong}); err == nil {
			t.Errorf("%s is accepted", wrong)
		}
	}
}
