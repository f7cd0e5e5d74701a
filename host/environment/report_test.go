package environment

import (
	"testing"
	"time"

	"github.com/lambent-host/lambent/host/catalogue"
	"github.com/lambent-host/lambent/telemetry"
)

// The lines are in the form of Lambda's text log, as it was recorded.
func TestReportLine(t *testing.T) {
	initMs := telemetry.Millis(101.2)
	cases := []struct {
		name    string
		phase   phase
		metrics telemetry.ReportMetrics
		want    string
	}{
		{
			"warm", phase{},
			telemetry.ReportMetrics{DurationMs: 12.34, BilledDurationMs: 13, MemorySizeMB: 128, MaxMemoryUsedMB: 36},
			"REPORT RequestId: r\tDuration: 12.34 ms\tBilled Duration: 13 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\t",
		},
		{
			"cold", phase{},
			telemetry.ReportMetrics{DurationMs: 1, BilledDurationMs: 103, MemorySizeMB: 128, MaxMemoryUsedMB: 4, InitDurationMs: &initMs},
			"REPORT RequestId: r\tDuration: 1.00 ms\tBilled Duration: 103 ms\tMemory Size: 128 MB\tMax Memory Used: 4 MB\tInit Duration: 101.20 ms\t",
		},
		{
			"timeout", phase{failure: timeoutFailure(time.Second)},
			telemetry.ReportMetrics{DurationMs: 1000, BilledDurationMs: 1000, MemorySizeMB: 128, MaxMemoryUsedMB: 4},
			"REPORT RequestId: r\tDuration: 1000.00 ms\tBilled Duration: 1000 ms\tMemory Size: 128 MB\tMax Memory Used: 4 MB\tStatus: timeout\t",
		},
		{
			"error", phase{failure: &failure{kind: telemetry.StatusError, typ: errorTypeExit}},
			telemetry.ReportMetrics{DurationMs: 2, BilledDurationMs: 2, MemorySizeMB: 128, MaxMemoryUsedMB: 4},
			"REPORT RequestId: r\tDuration: 2.00 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB\tMax Memory Used: 4 MB\tStatus: error\tError Type: Runtime.ExitError\t",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.phase.in.RequestID = "r"
			if got := reportLine(&c.phase, c.metrics); got != c.want {
				t.Errorf("got\n %q, want\n %q", got, c.want)
			}
		})
	}
}

func TestBillingRoundsUpAndCountsTheInitOfAColdStart(t *testing.T) {
	for d, want := range map[time.Duration]int64{0: 0, time.Microsecond: 1, time.Millisecond: 1, 1500 * time.Microsecond: 2} {
		if got := billedMs(d); got != want {
			t.Errorf("%v bills %d ms, want %d", d, got, want)
		}
	}
	bus := telemetry.NewBus()
	stream := bus.Open(telemetry.Source{})
	defer bus.Close()
	reports := stream.Subscribe(telemetry.SubscriptionConfig{Categories: []telemetry.Category{telemetry.CategoryPlatform}})
	e := &environment{stream: stream, output: newOutput(stream, catalogue.Logging{}), initDuration: 500 * time.Millisecond}
	for _, cold := range []bool{true, false} {
		e.report(&phase{began: time.Now(), ended: time.Now(), cold: cold})
		ev, ok := reports.TryNext()
		if !ok {
			t.Fatal("no report")
		}
		m := ev.Record.(telemetry.Report).Metrics
		if billedInit := m.BilledDurationMs >= 500; billedInit != cold || (m.InitDurationMs != nil) != cold {
			t.Errorf("cold=%v: billed %d ms, init %v", cold, m.BilledDurationMs, m.InitDurationMs)
		}
	}
}
