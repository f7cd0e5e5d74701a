package telemetry

import (
	"fmt"
	"testing"
	"time"
)

// hot are the events of one warm invocation that prints a line.
func hot() []Event {
	trace := &Tracing{Type: TracingType, Value: "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"}
	spans := []Span{{SpanResponseLatency, at, 0.25}, {SpanResponseDuration, at, 0.125}, {SpanRuntimeOverhead, at, 0.5}}
	const id = "6f7f0961-f834-4211-8a7a-f6fe80b88d56"
	return []Event{
		{Time: at, Type: TypeStart, Record: Start{RequestID: id, Version: "$LATEST", Tracing: trace}},
		{Time: at, Type: TypeFunction, Record: "2026-01-02T02:04:05.678Z INFO an order of 3 items was taken from cart 42"},
		{Time: at, Type: TypeRuntimeDone, Record: RuntimeDone{RequestID: id, Status: StatusSuccess, Metrics: &RuntimeDoneMetrics{1.25, 17}, Spans: spans, Tracing: trace}},
		{Time: at, Type: TypeReport, Record: Report{RequestID: id, Status: StatusSuccess, Metrics: ReportMetrics{DurationMs: 1.5, BilledDurationMs: 2, MemorySizeMB: 128, MaxMemoryUsedMB: 16, CPUTimeMs: 1}, Tracing: trace}},
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, ev := range hot() {
		b.Run(string(ev.Type), func(b *testing.B) {
			var body []byte
			var ends []int
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if body, ends, err = ev.Append(body[:0], ends[:0], Encoding{Schema: Schema20221213, Separator: ','}); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(len(body)))
		})
	}
}

// BenchmarkBus publishes events and has every subscriber take and encode them, as
// a delivery does.
func BenchmarkBus(b *testing.B) {
	for _, subscribers := range []int{0, 1, 10} {
		b.Run(fmt.Sprint(subscribers, " subscribers"), func(b *testing.B) {
			bus := NewBus()
			defer bus.Close()
			s := bus.Open(Source{})
			s.Seal()
			var subs []*Subscription
			for range subscribers {
				subs = append(subs, s.Subscribe(SubscriptionConfig{Encoding: Encoding{Schema: Schema20221213}}))
			}
			events := hot()
			var body []byte
			var ends []int
			b.ReportAllocs()
			began := time.Now()
			n := 0
			for b.Loop() {
				for _, ev := range events {
					s.Publish(ev.Type, ev.Record)
				}
				n += len(events)
				for _, sub := range subs {
					body, ends = body[:0], ends[:0]
					for ev, ok := sub.TryNext(); ok; ev, ok = sub.TryNext() {
						body, ends, _ = ev.Append(body, ends, Encoding{Schema: Schema20221213, Separator: ','})
					}
				}
			}
			b.ReportMetric(float64(n)/time.Since(began).Seconds(), "events/s")
		})
	}
}
