package otelsink

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel"

	"github.com/lambent-host/lambent/telemetry"
)

// operator remembers what he was told.
type operator struct {
	mu   sync.Mutex
	told []string
}

func (o *operator) tell(text string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil {
		text += ": " + err.Error()
	}
	o.told = append(o.told, text)
}

func (o *operator) heard() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]string(nil), o.told...)
}

// sinkTo is a sink that exports everything to an endpoint, and often.
func sinkTo(t *testing.T, endpoint string, tell func(string, error)) *Sink {
	t.Helper()
	for name, value := range map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_BSP_MAX_QUEUE_SIZE": "16", "OTEL_BLRP_MAX_QUEUE_SIZE": "16",
		"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "4", "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE": "4",
		"OTEL_BSP_SCHEDULE_DELAY": "1", "OTEL_BLRP_SCHEDULE_DELAY": "1", "OTEL_METRIC_EXPORT_INTERVAL": "10",
	} {
		t.Setenv(name, value)
	}
	s, err := New(t.Context(), Config{
		Env:  []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + endpoint, "OTEL_BSP_MAX_QUEUE_SIZE=16", "OTEL_BLRP_MAX_QUEUE_SIZE=16"},
		Tell: tell,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Shutdown(context.Background()) })
	return s
}

func (s *Sink) outletOf(t *testing.T, signal string) *outlet {
	t.Helper()
	for _, o := range s.outlets {
		if o.signal == signal {
			return o
		}
	}
	t.Fatalf("no outlet of %s", signal)
	return nil
}

// A collector that never answers: whoever has something to tell goes on, what does
// not fit is counted, the operator hears of it once a signal, and the end of the
// host does not wait for it.
func TestACollectorThatHangsHoldsNobodyUp(t *testing.T) {
	var asked, left atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		_, _ = io.Copy(io.Discard, r.Body) // only then is it seen that the other side has gone
		<-r.Context().Done()
		left.Add(1)
	}))
	defer server.Close()
	var op operator
	s := sinkTo(t, server.URL, op.tell)
	bus := telemetry.NewBus()
	s.Follow(bus)
	stream := bus.Open(telemetry.Source{FunctionName: "f"})
	const many = 1000
	for range many {
		_, span := s.Tracer().Start(t.Context(), "invoke")
		span.End()
		stream.Publish(telemetry.TypeFunction, "a line")
	}
	bus.Close()
	s.following.Wait()
	for _, signal := range []string{"traces", "logs"} {
		if o := s.outletOf(t, signal); o.lost.Load() != many-16 || o.pending.Load() != 16 {
			t.Errorf("%s: %d lost and %d kept, want all but the 16 of the queue lost", signal, o.lost.Load(), o.pending.Load())
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("shutdown: %v, want that its time was over", err)
	}
	if took := time.Since(began); took > FlushTimeout {
		t.Errorf("shutdown took %v", took)
	}
	await(t, func() bool { return left.Load() == asked.Load() }) // nothing is asked for after the end
	told := map[string]int{}
	for _, line := range op.heard() {
		told[strings.Fields(line)[1]]++
	}
	if told["traces"] != 1 || told["logs"] != 1 || told["metrics"] > 1 {
		t.Errorf("the operator was told %q", op.heard())
	}
}

func TestAnExporterThatFailsIsToldOnceAndOnceThatItWorks(t *testing.T) {
	var works atomic.Bool
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/traces" {
			asked.Add(1)
		}
		if !works.Load() {
			w.WriteHeader(http.StatusBadRequest) // what an exporter does not repeat
		}
	}))
	defer server.Close()
	var op operator
	s := sinkTo(t, server.URL, op.tell)
	traces := s.outletOf(t, "traces")
	export := func() {
		before := asked.Load()
		_, span := s.Tracer().Start(t.Context(), "invoke")
		span.End()
		await(t, func() bool { return asked.Load() > before && traces.pending.Load() == 0 })
	}
	for range 5 {
		export()
	}
	works.Store(true)
	export()
	export()
	var told []string
	for _, line := range op.heard() {
		if !strings.HasPrefix(line, "OpenTelemetry metrics") {
			told = append(told, line)
		}
	}
	if len(told) != 2 || !strings.Contains(told[0], "are lost") || !strings.Contains(told[0], "400") || told[1] != "OpenTelemetry traces are exported again; 5 were lost" {
		t.Errorf("the operator was told %q", told)
	}
}

// await polls until done says so.
func await(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it took too long")
		}
	}
}

// An exporter that works every other time is not told of every other time.
func TestLossesAreToldOnceAMinuteAtMost(t *testing.T) {
	var op operator
	now := time.Unix(1000, 0)
	o := &outlet{signal: "logs", limit: 2, tell: op.tell, ctx: t.Context(), now: func() time.Time { return now }}
	export := func(err error) {
		if !o.admit() {
			t.Fatal("an empty queue is full")
		}
		o.send(t.Context(), 1, func(context.Context) error { return err })
	}
	broken := errors.New("broken")
	for range 10 {
		export(broken)
		export(nil)
	}
	if told := op.heard(); len(told) != 2 {
		t.Errorf("told %q", told)
	}
	for range 2 { // what goes on failing is no news
		now = now.Add(tellEvery)
		export(broken)
	}
	if told := op.heard(); len(told) != 3 || o.lost.Load() != 12 || o.pending.Load() != 0 {
		t.Errorf("told %q, %d lost, %d pending", told, o.lost.Load(), o.pending.Load())
	}
}

func TestWhatIsLostIsAMetric(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) }))
	defer server.Close()
	s := sinkTo(t, server.URL, nil)
	_, span := s.Tracer().Start(t.Context(), "invoke")
	span.End()
	await(t, func() bool { return s.outletOf(t, "traces").lost.Load() == 1 })
	page := httptest.NewRecorder()
	s.Page().ServeHTTP(page, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	if want := `lambent_telemetry_dropped_total{lambent_telemetry_signal="traces"} 1`; !strings.Contains(page.Body.String(), want) {
		t.Errorf("no %s in %s", want, page.Body)
	}
}

func TestWhatTheSDKComplainsOfIsTheOperators(t *testing.T) {
	var op operator
	s, err := New(t.Context(), Config{Tell: op.tell})
	if err != nil {
		t.Fatal(err)
	}
	otel.Handle(errors.New("stray"))
	otel.Handle(errors.New("another"))
	if told := op.heard(); len(told) != 1 || !strings.Contains(told[0], "stray") {
		t.Errorf("told %q", told)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended, err := New(t.Context(), Config{Tell: func(text string, err error) { t.Errorf("after the end told %s: %v", text, err) }})
	if err != nil {
		t.Fatal(err)
	}
	if err := ended.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	otel.Handle(errors.New("late"))
}
