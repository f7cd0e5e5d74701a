package host_test

import (
	"context"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	logscollector "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	metricscollector "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracecollector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/lambent-host/lambent/host"
)

// collected is a collector with a memory. It speaks OTLP over HTTP and over gRPC.
type collected struct {
	mu      sync.Mutex
	spans   []received
	logs    []*logspb.LogRecord
	metrics map[string]*metricspb.Metric
}

// received is a span with the resource it is of.
type received struct {
	*tracepb.Span
	resource map[string]string
}

func (c *collected) takeTraces(request *tracecollector.ExportTraceServiceRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range request.ResourceSpans {
		for _, s := range r.ScopeSpans {
			for _, span := range s.Spans {
				c.spans = append(c.spans, received{span, attributesOf(r.Resource.Attributes)})
			}
		}
	}
}

func (c *collected) takeLogs(request *logscollector.ExportLogsServiceRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range request.ResourceLogs {
		for _, s := range r.ScopeLogs {
			c.logs = append(c.logs, s.LogRecords...)
		}
	}
}

// takeMetrics keeps the last of each: they are cumulative.
func (c *collected) takeMetrics(request *metricscollector.ExportMetricsServiceRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.metrics == nil {
		c.metrics = map[string]*metricspb.Metric{}
	}
	for _, r := range request.ResourceMetrics {
		for _, s := range r.ScopeMetrics {
			for _, m := range s.Metrics {
				c.metrics[m.Name] = m
			}
		}
	}
}

// ServeHTTP is OTLP/HTTP.
func (c *collected) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	switch r.URL.Path {
	case "/v1/traces":
		err = unmarshal(body, new(tracecollector.ExportTraceServiceRequest), c.takeTraces)
	case "/v1/logs":
		err = unmarshal(body, new(logscollector.ExportLogsServiceRequest), c.takeLogs)
	case "/v1/metrics":
		err = unmarshal(body, new(metricscollector.ExportMetricsServiceRequest), c.takeMetrics)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func unmarshal[M proto.Message](body []byte, message M, take func(M)) error {
	if err := proto.Unmarshal(body, message); err != nil {
		return err
	}
	take(message)
	return nil
}

// The services of OTLP/gRPC.
type (
	traceService struct {
		tracecollector.UnimplementedTraceServiceServer
		*collected
	}
	logsService struct {
		logscollector.UnimplementedLogsServiceServer
		*collected
	}
	metricsService struct {
		metricscollector.UnimplementedMetricsServiceServer
		*collected
	}
)

func (s traceService) Export(_ context.Context, r *tracecollector.ExportTraceServiceRequest) (*tracecollector.ExportTraceServiceResponse, error) {
	s.takeTraces(r)
	return &tracecollector.ExportTraceServiceResponse{}, nil
}

func (s logsService) Export(_ context.Context, r *logscollector.ExportLogsServiceRequest) (*logscollector.ExportLogsServiceResponse, error) {
	s.takeLogs(r)
	return &logscollector.ExportLogsServiceResponse{}, nil
}

func (s metricsService) Export(_ context.Context, r *metricscollector.ExportMetricsServiceRequest) (*metricscollector.ExportMetricsServiceResponse, error) {
	s.takeMetrics(r)
	return &metricscollector.ExportMetricsServiceResponse{}, nil
}

// collect starts a collector and has hosts of this test export everything to it.
func collect(t *testing.T, protocol string) (*collected, func(*host.Config)) {
	t.Helper()
	c := new(collected)
	var endpoint string
	if protocol == "grpc" {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server := grpc.NewServer()
		tracecollector.RegisterTraceServiceServer(server, traceService{collected: c})
		logscollector.RegisterLogsServiceServer(server, logsService{collected: c})
		metricscollector.RegisterMetricsServiceServer(server, metricsService{collected: c})
		var serving sync.WaitGroup
		serving.Go(func() { _ = server.Serve(listener) })
		t.Cleanup(func() { server.Stop(); serving.Wait() })
		endpoint = "http://" + listener.Addr().String()
	} else {
		server := httptest.NewServer(c)
		t.Cleanup(server.Close)
		endpoint = server.URL
	}
	return c, exportTo(t, endpoint, protocol)
}

// exportTo has hosts of this test export to an endpoint.
func exportTo(t *testing.T, endpoint, protocol string, more ...string) func(*host.Config) {
	t.Helper()
	env := append([]string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL=" + protocol}, more...)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "50") // ms
	return func(c *host.Config) { c.Env = env }
}

// span waits for a span of a trace by its name.
func (c *collected) span(t *testing.T, trace, name string) received {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		c.mu.Lock()
		for _, s := range c.spans {
			if s.Name == name && hex.EncodeToString(s.TraceId) == trace {
				c.mu.Unlock()
				return s
			}
		}
		c.mu.Unlock()
		if time.Now().After(deadline) {
			t.Fatalf("no span %q in trace %s; there are %v", name, trace, c.names())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (c *collected) names() (names []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.spans {
		names = append(names, hex.EncodeToString(s.TraceId)+" "+s.Name)
	}
	return names
}

// line returns the log record whose body has a text.
func (c *collected) line(t *testing.T, text string) *logspb.LogRecord {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	var bodies []string
	for _, r := range c.logs {
		if strings.Contains(r.Body.GetStringValue(), text) {
			return r
		}
		bodies = append(bodies, r.Body.String())
	}
	t.Fatalf("no log record %q among %v", text, bodies)
	return nil
}

// counted is what a metric says of a function: the sum of a counter, or how many
// values a histogram has.
func (c *collected) counted(t *testing.T, name, function string) (sum int64) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.metrics[name]
	if m == nil {
		t.Fatalf("no metric %s", name)
	}
	for _, p := range m.GetSum().GetDataPoints() {
		if attributesOf(p.Attributes)["faas.name"] == function {
			sum += p.GetAsInt()
		}
	}
	for _, p := range m.GetHistogram().GetDataPoints() {
		if attributesOf(p.Attributes)["faas.name"] == function {
			sum += int64(p.Count)
		}
	}
	return sum
}

func attributesOf(list []*commonpb.KeyValue) map[string]string {
	attributes := map[string]string{}
	for _, a := range list {
		switch v := a.Value.Value.(type) {
		case *commonpb.AnyValue_StringValue:
			attributes[a.Key] = v.StringValue
		default:
			attributes[a.Key] = a.Value.String()
		}
	}
	return attributes
}
