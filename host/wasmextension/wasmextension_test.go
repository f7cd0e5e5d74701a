package wasmextension

import (
	"context"
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

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/lambent-host/lambent/abi/gobuild/gobuildtest"
	"github.com/lambent-host/lambent/extensions"
	"github.com/lambent-host/lambent/sandbox"
	"github.com/lambent-host/lambent/telemetry"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv(listenerMode); mode != "" { // the process of a benchmark
		if err := listen(mode); err != nil {
			panic(err)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// engine keeps what it compiles over tests and runs.
func engine(t testing.TB) *sandbox.Engine {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	e, err := sandbox.New(context.Background(), sandbox.Config{CacheDir: filepath.Join(cache, "lambent-test", "compiled"), Prepare: sandbox.PrepareHere})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close(context.Background()) })
	return e
}

// stage is extensions on a bus.
type stage struct {
	t        *testing.T
	bus      *telemetry.Bus
	all      *Extensions
	mu       sync.Mutex
	accounts []extensions.Account
}

// start runs the functions of the repository as extensions, each with its manifest.
func start(t *testing.T, manifests map[string]string) *stage {
	t.Helper()
	dir := t.TempDir()
	for function, manifest := range manifests {
		for name, content := range map[string][]byte{function + ".wasm": gobuildtest.Function(t, function), function + ".json": []byte(manifest)} {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	s := &stage{t: t, bus: telemetry.NewBus()}
	t.Cleanup(s.bus.Close)
	var err error
	s.all, err = New(Config{
		Dir: dir, Engine: engine(t), Bus: s.bus, Region: "us-east-1", Log: zerolog.Nop(),
		Settled: func(a extensions.Account) { s.mu.Lock(); defer s.mu.Unlock(); s.accounts = append(s.accounts, a) },
	})
	if err != nil {
		t.Fatal(err)
	}
	s.all.Start()
	t.Cleanup(s.end)
	return s
}

func (s *stage) end() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := s.all.Shutdown(ctx); err != nil {
		s.t.Error(err)
	}
}

// settled ends the extensions and returns the account of one.
func (s *stage) settled(name string) extensions.Account {
	s.t.Helper()
	s.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.accounts {
		if a.Extension == name {
			if !a.Balanced() {
				s.t.Errorf("events are lost: %+v", a)
			}
			return a
		}
	}
	s.t.Fatalf("no account of %s", name)
	return extensions.Account{}
}

func (s *stage) publish(function string, t telemetry.Type, record any) {
	stream := s.bus.Open(telemetry.Source{EnvironmentID: "e1", FunctionName: function, FunctionARN: "arn:" + function, FunctionVersion: "1"})
	stream.Seal()
	defer stream.Close()
	stream.Publish(t, record)
}

// collector is a real HTTP server that keeps what it gets.
type collector struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
	got    chan struct{}
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{got: make(chan struct{}, 100)}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		c.mu.Lock()
		c.bodies = append(c.bodies, r.Method+" "+r.URL.Path+" "+r.Header.Get("Content-Type")+" "+string(body))
		c.mu.Unlock()
		c.got <- struct{}{}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte("{}"))
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *collector) await(t *testing.T) string {
	t.Helper()
	select {
	case <-c.got:
	case <-time.After(30 * time.Second):
		t.Fatal("nothing arrived")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bodies[len(c.bodies)-1]
}

// manifest is one of the sample, for a collector.
func manifestOf(t *testing.T, c *collector, functions ...string) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{
		"functions": functions, "types": []string{"platform"}, "buffering": map[string]int{"timeoutMs": 25},
		"environment": map[string]string{"OTLP_ENDPOINT": c.URL}, "allowHosts": []string{strings.TrimPrefix(c.URL, "http://")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func report(ms telemetry.Millis) telemetry.Report {
	return telemetry.Report{RequestID: "r", Status: telemetry.StatusSuccess, Metrics: telemetry.ReportMetrics{DurationMs: ms, MaxMemoryUsedMB: 2, MemorySizeMB: 128}}
}

func TestTheSampleMakesMetricsOfReports(t *testing.T) {
	c := newCollector(t)
	s := start(t, map[string]string{"otlpmetrics": manifestOf(t, c, "seen")})
	s.publish("hidden", telemetry.TypeReport, report(9999))
	s.publish("seen", telemetry.TypeReport, report(1500))
	body := c.await(t)
	for _, part := range []string{
		"POST /v1/metrics application/json {", `"name":"faas.invoke_duration"`, `"asDouble":1.5`, `"asDouble":2097152`,
		`{"key":"cloud.resource_id","value":{"stringValue":"arn:seen"}}`, `{"key":"faas.instance","value":{"stringValue":"e1"}}`,
	} {
		if !strings.Contains(body, part) {
			t.Errorf("no %s in %s", part, body)
		}
	}
	if strings.Contains(body, "9.999") {
		t.Error("it was told of a function it is not attached to")
	}
	if a := s.settled("otlpmetrics"); a.Delivered != 1 || a.Dropped != 0 {
		t.Errorf("account %+v", a)
	}
}

func TestABatchThatIsNotTakenComesAgain(t *testing.T) {
	c := newCollector(t)
	address := c.URL
	c.Close() // nobody listens there for now
	s := start(t, map[string]string{"otlpmetrics": manifestOf(t, c)})
	s.publish("f", telemetry.TypeReport, report(1500))
	again := &http.Server{Handler: c.Config.Handler, ReadHeaderTimeout: time.Second}
	listener, err := listenAgain(strings.TrimPrefix(address, "http://"))
	if err != nil {
		t.Skip("another program has taken the port") // it was free a moment ago
	}
	go func() { _ = again.Serve(listener) }()
	defer func() { _ = again.Close() }()
	if body := c.await(t); !strings.Contains(body, `"asDouble":1.5`) {
		t.Errorf("got %s", body)
	}
	if a := s.settled("otlpmetrics"); a.Delivered != 1 {
		t.Errorf("account %+v", a)
	}
}

// What an extension does wrong costs events of its own, and time of its own.
func TestExtensionsThatMisbehaveLoseTheirOwnEvents(t *testing.T) {
	c := newCollector(t)
	manifests := map[string]string{"otlpmetrics": manifestOf(t, c)}
	for _, bad := range []string{"spin", "trap", "hoard", "exit"} {
		manifests[bad] = `{"timeout":1,"memorySize":32,"buffering":{"timeoutMs":25}}`
	}
	s := start(t, manifests)
	for range 3 {
		s.publish("f", telemetry.TypeReport, report(1500))
		if body := c.await(t); !strings.Contains(body, `"asDouble":1.5`) {
			t.Errorf("got %s", body)
		}
	}
	if a := s.settled("otlpmetrics"); a.Delivered != 3 || a.Dropped != 0 {
		t.Errorf("account of the good one %+v", a)
	}
	if a := s.settled("spin"); a.Delivered != 0 {
		t.Errorf("account of one that hangs %+v", a)
	}
}

func TestWhatAnExtensionWritesIsTold(t *testing.T) {
	s := start(t, map[string]string{"stdio": `{"buffering":{"timeoutMs":25}}`})
	heard := s.bus.Subscribe(telemetry.SubscriptionConfig{Categories: []telemetry.Category{telemetry.CategoryExtension}})
	s.publish("f", telemetry.TypeReport, report(1))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	ev, err := heard.Next(ctx)
	if err != nil || ev.Source.EnvironmentID != "wasm-stdio" {
		t.Fatalf("%+v, %v", ev, err)
	}
}

func TestFaultsNameTheFile(t *testing.T) {
	dir := t.TempDir()
	put := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("x.wasm", "\x00asm\x01\x00\x00\x00")
	if _, err := New(Config{Dir: dir}); err == nil || !strings.Contains(err.Error(), "x.wasm: ") {
		t.Errorf("a module without anything: %v", err)
	}
	put("x.json", `{"memorySize":1}`)
	if _, err := New(Config{Dir: dir}); err == nil || !strings.Contains(err.Error(), "x.json: memorySize") {
		t.Errorf("a manifest: %v", err)
	}
	if e, err := New(Config{Dir: filepath.Join(dir, "none")}); err != nil || e.Len() != 0 || e.Shutdown(t.Context()) != nil {
		t.Errorf("no folder: %v", err)
	}
}
