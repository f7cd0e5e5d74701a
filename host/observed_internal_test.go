package host

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/lambent-host/lambent/abi/gobuild/gobuildtest"
	"github.com/lambent-host/lambent/host/client"
	"github.com/lambent-host/lambent/host/lambdaapi"
	"github.com/lambent-host/lambent/telemetry"
)

// What it costs a warm invocation to be counted, without the network: with no metrics
// at all, with the page of metrics, with a reader of the platform's events in the
// place of the counters, and with everything exported to a collector.
func BenchmarkObserved(b *testing.B) {
	collector := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer collector.Close()
	b.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	for name, env := range map[string][]string{
		"exported": {"OTEL_EXPORTER_OTLP_ENDPOINT=" + collector.URL},
		"nothing":  {"OTEL_METRICS_EXPORTER=none"}, "page": nil, "events": {"OTEL_METRICS_EXPORTER=none"},
	} {
		b.Run(name, func(b *testing.B) {
			h := benchHost(b, env)
			if name == "events" {
				sub := h.bus.Subscribe(telemetry.SubscriptionConfig{Categories: []telemetry.Category{telemetry.CategoryPlatform}})
				go func() {
					for {
						if _, err := sub.Next(context.Background()); err != nil {
							return
						}
					}
				}()
			}
			serve(b, h, http.MethodPost, "/2015-03-31/functions/echo/invocations", `{}`)
			b.ReportAllocs()
			for b.Loop() {
				serve(b, h, http.MethodPost, "/2015-03-31/functions/echo/invocations", `{}`)
			}
		})
	}
}

// serve has the host answer, without a connection.
func serve(b *testing.B, h *Host, method, path, body string) string {
	b.Helper()
	recorder := httptest.NewRecorder()
	h.server.Handler.ServeHTTP(recorder, httptest.NewRequestWithContext(b.Context(), method, path, strings.NewReader(body)))
	if recorder.Code >= http.StatusBadRequest {
		b.Fatalf("%s %s: %d %s", method, path, recorder.Code, recorder.Body)
	}
	return recorder.Body.String()
}

// benchHost is a host with a function that is warm and costs next to nothing.
func benchHost(b *testing.B, env []string) *Host {
	b.Helper()
	cfg := DefaultConfig()
	cfg.Listen, cfg.DataDir, cfg.Env = "127.0.0.1:0", b.TempDir(), env
	cfg.CPUQuota = QuotaOff
	if dir, err := os.UserCacheDir(); err == nil {
		cfg.CompileCacheDir, cfg.CompileCacheKey = filepath.Join(dir, "lambent-test", "compiled"), []byte("of the tests")
	}
	h, err := New(b.Context(), cfg, zerolog.Nop())
	if err != nil {
		b.Fatal(err)
	}
	h.Start()
	b.Cleanup(func() {
		if err := h.Shutdown(context.Background()); err != nil {
			b.Error(err)
		}
	})
	c := client.New("http://" + h.Addr())
	defer c.CloseIdle()
	name, role := "echo", "arn:aws:iam::000000000000:role/test"
	if _, _, err := c.Deploy(b.Context(), &lambdaapi.CreateFunctionRequest{
		FunctionName: &name, Role: &role, Code: &lambdaapi.FunctionCode{ZipFile: gobuildtest.Function(b, "echo")},
	}); err != nil {
		b.Fatal(err)
	}
	return h
}
