package host_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lambent-host/lambent/abi/gobuild/gobuildtest"
	"github.com/lambent-host/lambent/host"
)

// A function's report becomes an OTLP metric, by an extension in WebAssembly beside
// one that hangs.
func TestAWasmExtensionExportsTheReportsOfAFunction(t *testing.T) {
	var mu sync.Mutex
	var got strings.Builder
	sink := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		got.Write(body)
	}))
	defer sink.Close()
	manifest, err := json.Marshal(map[string]any{
		"buffering": map[string]int{"timeoutMs": 25}, "environment": map[string]string{"OTLP_ENDPOINT": sink.URL},
		"allowHosts": []string{strings.TrimPrefix(sink.URL, "http://")},
	})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string][]byte{
		"otlpmetrics.wasm": gobuildtest.Function(t, "otlpmetrics"), "otlpmetrics.json": manifest,
		"spin.wasm": gobuildtest.Function(t, "spin"), "spin.json": []byte(`{"timeout":1}`),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := start(t, func(c *host.Config) { c.WasmExtensionsDir = dir })
	f.deploy(t, "measured", "counter", settings{})
	for range 3 {
		f.invoke(t, "measured", "{}")
	}
	waitFor(t, 30*time.Second, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return strings.Count(got.String(), `"faas.invoke_duration"`) == 3 && strings.Contains(got.String(), ":function:measured") && strings.Contains(got.String(), "faas.init_duration")
	}, "the metrics of three invocations and one init")
	f.stop(t)
}
