package host_test

import (
	"context"
	"encoding/hex"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/lambent-host/lambent/extensions/extensionstest"
	"github.com/lambent-host/lambent/host"
)

func TestMetricsAndLogsArriveWithTheIdsOfTheInvocation(t *testing.T) {
	for _, protocol := range []string{"http/protobuf", "grpc"} {
		t.Run(protocol, func(t *testing.T) {
			got, export := collect(t, protocol)
			f := start(t, export, func(c *host.Config) { c.ExtensionsDir = extensionstest.Sample(t) })
			f.deploy(t, "hello", "hello", settings{})
			// With the log asked for, the answer waits for the extension, and the
			// environment is free for the next.
			f.invokeInTrace(t, "hello", `{"name":"Ada"}`, "X-Amz-Log-Type", "Tail")
			f.invokeInTrace(t, "hello", `{"name":"Bob","fail":true}`, "X-Amz-Log-Type", "Tail")
			f.stop(t)

			for name, want := range map[string]int64{
				"faas.invocations": 1, "faas.errors": 1, "faas.coldstarts": 1,
				"faas.invoke_duration": 2, "faas.init_duration": 1, "faas.mem_usage": 2, "faas.cpu_usage": 2,
				"lambent.extension_overhead": 2,
			} {
				if n := got.counted(t, name, "hello"); n != want {
					t.Errorf("%s counts %d, want %d", name, n, want)
				}
			}
			if n := got.counted(t, "lambent.extension.events.delivered", ""); n < 8 { // of two invocations and an init
				t.Errorf("extensions took %d events", n)
			}
			line, root := got.line(t, "greeting Ada"), got.span(t, callersTrace, "hello")
			if hex.EncodeToString(line.TraceId) != callersTrace || hex.EncodeToString(line.SpanId) != idOf(got.span(t, callersTrace, "invoke")) {
				t.Errorf("the function's line is of trace %x, span %x", line.TraceId, line.SpanId)
			}
			said, of := attributesOf(line.Attributes), attributesOf(root.Attributes)
			if said["faas.invocation_id"] != of["faas.invocation_id"] || said["faas.name"] != "hello" || said["lambent.log.type"] != "function" ||
				!strings.Contains(said["aws.log.group.names"], "/aws/lambda/hello") || !strings.Contains(said["aws.log.stream.names"], "/[$LATEST]") {
				t.Errorf("attributes of the function's line: %v", said)
			}
			extension := 0
			for _, r := range got.logs {
				if attributesOf(r.Attributes)["lambent.log.type"] == "extension" {
					extension++
				}
			}
			if extension == 0 {
				t.Error("no line of the extension, which writes what it hears to stdout")
			}
		})
	}
}

// scrape reads the page of metrics with Prometheus' own parser.
func (f *fixture) scrape(t *testing.T) map[string]*dto.MetricFamily {
	t.Helper()
	response, body := f.send(t, http.MethodGet, "/metrics", "", nil)
	if response.StatusCode != http.StatusOK {
		t.Fatalf("status %d: %s", response.StatusCode, body)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return families
}

// of returns the metric of a function.
func of(t *testing.T, families map[string]*dto.MetricFamily, name, function string) *dto.Metric {
	t.Helper()
	for _, m := range families[name].GetMetric() {
		for _, label := range m.GetLabel() {
			if label.GetName() == "faas_name" && label.GetValue() == function {
				return m
			}
		}
	}
	t.Fatalf("no %s of %s", name, function)
	return nil
}

func TestThePageOfMetrics(t *testing.T) {
	f := start(t)
	f.deploy(t, "hello", "hello", settings{})
	for range 3 {
		f.invoke(t, "hello", `{}`)
	}
	if _, err := f.tryInvoke(t, "invented", `{}`); err == nil {
		t.Fatal("a function that is not there was invoked")
	}
	families := f.scrape(t)
	if n := of(t, families, "faas_invocations_total", "hello").GetCounter().GetValue(); n != 3 {
		t.Errorf("%v invocations, want 3", n)
	}
	if h := of(t, families, "faas_invoke_duration_seconds", "hello").GetHistogram(); h.GetSampleCount() != 3 || h.GetSampleSum() <= 0 || h.GetSampleSum() > 60 {
		t.Errorf("durations %v", h)
	}
	if h := of(t, families, "faas_mem_usage_bytes", "hello").GetHistogram(); h.GetSampleSum() < 3<<20 {
		t.Errorf("memory %v", h)
	}
	for _, m := range families["lambent_environments"].GetMetric() {
		if state := m.GetLabel()[0].GetValue(); (state == "idle") != (m.GetGauge().GetValue() == 1) {
			t.Errorf("%v environments are %s", m.GetGauge().GetValue(), state)
		}
	}
	for name, family := range families {
		if text := family.String(); strings.Contains(text, "invented") {
			t.Errorf("%s has a series for a function that is not there: %s", name, text)
		}
	}
	if families["faas_errors_total"] != nil {
		t.Errorf("an invocation of no function is counted: %v", families["faas_errors_total"])
	}
	if families["lambent_async_events"] == nil || families["target_info"] == nil {
		t.Errorf("families %v lack the queue or the target", families)
	}
}

func TestWhatIsRefusedIsCounted(t *testing.T) {
	f := start(t, func(c *host.Config) { c.ConcurrencyLimit = 1 })
	f.deploy(t, "hello", "hello", settings{timeout: 30})
	first := make(chan struct{})
	go func() {
		defer close(first)
		_, _ = f.tryInvoke(t, "hello", `{"sleepMs":3000}`)
	}()
	active := func() float64 {
		for _, m := range f.scrape(t)["lambent_environments"].GetMetric() {
			if m.GetLabel()[0].GetValue() == "active" {
				return m.GetGauge().GetValue()
			}
		}
		return 0
	}
	for deadline := time.Now().Add(20 * time.Second); active() == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the first invocation does not run")
		}
	}
	if response, body := f.send(t, http.MethodPost, "/2015-03-31/functions/hello/invocations", "{}", nil); response.StatusCode != http.StatusTooManyRequests {
		t.Errorf("status %d: %s", response.StatusCode, body)
	}
	families := f.scrape(t)
	if n := of(t, families, "lambent_throttles_total", "hello").GetCounter().GetValue(); n != 1 || families["faas_errors_total"] != nil {
		t.Errorf("%v throttles, errors %v", n, families["faas_errors_total"])
	}
	<-first
}

func TestExemplarsLeadToTheTrace(t *testing.T) {
	_, export := collect(t, "http/protobuf")
	f := start(t, export)
	f.deploy(t, "hello", "hello", settings{})
	f.invokeInTrace(t, "hello", `{}`)
	_, body := f.send(t, http.MethodGet, "/metrics", "", map[string]string{"Accept": "application/openmetrics-text; version=1.0.0"})
	if !strings.Contains(body, `trace_id="`+callersTrace+`"`) {
		t.Errorf("no exemplar of the caller's trace in %s", body)
	}
}

func TestThereIsNoPageWhereNoneIsWanted(t *testing.T) {
	for _, env := range []string{"OTEL_METRICS_EXPORTER=none", "OTEL_SDK_DISABLED=true"} {
		f := start(t, func(c *host.Config) { c.Env = []string{env} })
		if response, _ := f.send(t, http.MethodGet, "/metrics", "", nil); response.StatusCode != http.StatusNotFound {
			t.Errorf("%s: status %d, want 404", env, response.StatusCode)
		}
	}
}

// A collector that takes connections and never answers: invocations go on, and so does
// the end of the host.
func TestACollectorThatHangsHoldsNoInvocationUp(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for _, protocol := range []string{"http/protobuf", "grpc"} {
		t.Run(protocol, func(t *testing.T) {
			f := launch(t, exportTo(t, "http://"+listener.Addr().String(), protocol, "OTEL_BSP_MAX_QUEUE_SIZE=8", "OTEL_BLRP_MAX_QUEUE_SIZE=8"))
			f.deploy(t, "hello", "hello", settings{})
			for range 50 { // many times what the queues hold
				f.invoke(t, "hello", `{"name":"Ada"}`)
			}
			ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
			defer cancel()
			if err := f.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "OpenTelemetry") {
				t.Errorf("shutdown: %v, want that the flush had no time left", err)
			}
		})
	}
}
