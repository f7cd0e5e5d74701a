package host_test

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/lambent-host/lambent/host"
)

// collected is an OTLP endpoint's memory.
type collected struct {
	mu    sync.Mutex
	spans []*otlp.Span
}

func (c *collected) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	request := new(collector.ExportTraceServiceRequest)
	if err == nil {
		err = proto.Unmarshal(body, request)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range request.ResourceSpans {
		for _, s := range r.ScopeSpans {
			c.spans = append(c.spans, s.Spans...)
		}
	}
}

func TestOneTraceAnInvocationJoinedToTheCallers(t *testing.T) {
	// How an environment came to be is in the trace.
	for mode, span := range map[string]string{"api": "init", "all": "restore"} {
		t.Run(mode, func(t *testing.T) { oneTrace(t, mode, span) })
	}
}

func oneTrace(t *testing.T, mode, span string) {
	spans := new(collected)
	endpoint := httptest.NewServer(spans)
	defer endpoint.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.URL)
	f := start(t, func(c *host.Config) {
		c.Env, c.SnapStart = []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + endpoint.URL}, mode
	})
	f.deploy(t, "hello", "hello", settings{})

	const trace = "0af7651916cd43dd8448eb211c80319c"
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		"http://"+f.Addr()+"/2015-03-31/functions/hello/invocations", strings.NewReader(`{"name":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("traceparent", "00-"+trace+"-b7ad6b7169203331-01")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if got, want := response.Header.Get("X-Amzn-Trace-Id"), "Root=1-0af76519-16cd43dd8448eb211c80319c"; !strings.HasPrefix(got, want) {
		t.Errorf("X-Amzn-Trace-Id %q, want it to begin %q", got, want)
	}
	f.stop(t) // sends what is buffered

	spans.mu.Lock()
	defer spans.mu.Unlock()
	var names []string
	for _, s := range spans.spans {
		if hex.EncodeToString(s.TraceId) == trace {
			names = append(names, s.Name)
		}
	}
	for _, want := range []string{"invocation", "resolve", "admit", span, "invoke"} {
		if !slices.Contains(names, want) {
			t.Errorf("the caller's trace has spans %v, %s is missing", names, want)
		}
	}
}
