package environment

import (
	"testing"
	"time"

	"github.com/lambent-host/lambent/telemetry"
)

func TestAnInvocationIsToldWithItsSpans(t *testing.T) {
	pool, _ := newPool(t, "counter", time.Hour)
	heard := pool.cfg.Bus.Subscribe(telemetry.SubscriptionConfig{Categories: []telemetry.Category{telemetry.CategoryPlatform}})
	before := time.Now()
	run(t, pool, version("a"))
	var done telemetry.RuntimeDone
	var report telemetry.Report
	for ev, ok := heard.TryNext(); ok; ev, ok = heard.TryNext() {
		switch r := ev.Record.(type) {
		case telemetry.RuntimeDone:
			done = r
		case telemetry.Report:
			report = r
		}
	}
	names := []string{telemetry.SpanResponseLatency, telemetry.SpanResponseDuration, telemetry.SpanRuntimeOverhead}
	if len(done.Spans) != len(names) {
		t.Fatalf("spans %+v", done.Spans)
	}
	var sum telemetry.Millis
	for i, span := range done.Spans {
		sum += span.DurationMs
		if span.Name != names[i] || span.DurationMs < 0 || span.Start.Before(before) || i > 0 && span.Start.Before(done.Spans[i-1].Start) {
			t.Errorf("span %d is %+v", i, span)
		}
	}
	if whole := done.Metrics.DurationMs; sum < whole-0.01 || sum > whole+0.01 {
		t.Errorf("the spans last %v ms, the function %v ms", sum, whole)
	}
	if len(report.Spans) != 1 || report.Spans[0].Name != telemetry.SpanExtensionOverhead {
		t.Errorf("spans of the report %+v", report.Spans)
	}
}

func TestAnInitIsToldWithTheTraceThatCausedIt(t *testing.T) {
	pool, _ := newPool(t, "counter", time.Hour)
	heard := pool.cfg.Bus.Subscribe(telemetry.SubscriptionConfig{})
	const trace = "Root=1-6b043f49-90123a6dc6e8ff373e91f734;Parent=4b7fb4fe770c69e4;Sampled=1"
	lease, err := pool.Acquire(t.Context(), version("a"), trace)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lease.Invoke(t.Context(), Invocation{Payload: []byte("{}"), Deadline: time.Now().Add(time.Minute)}, func() {}); err != nil {
		t.Fatal(err)
	}
	told := 0
	for ev, ok := heard.TryNext(); ok; ev, ok = heard.TryNext() {
		var tracing *telemetry.Tracing
		switch r := ev.Record.(type) {
		case telemetry.InitStart:
			tracing = r.Tracing
			if r.RuntimeVersion == "" || r.RuntimeVersionARN != "arn:aws:lambda:us-east-1::runtime:lambent" {
				t.Errorf("runtime %q, %q", r.RuntimeVersion, r.RuntimeVersionARN)
			}
		case telemetry.InitRuntimeDone:
			tracing = r.Tracing
		case telemetry.InitReport:
			tracing = r.Tracing
		default:
			continue
		}
		if told++; tracing == nil || tracing.Value != trace {
			t.Errorf("%s has the trace %+v", ev.Type, tracing)
		}
	}
	if told != 3 {
		t.Errorf("%d events of init", told)
	}
}
