package environment

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/lambent-host/lambent/telemetry"
)

// start opens the phase in telemetry and in the log.
func (e *environment) start(p *phase) {
	e.output.tail.reset()
	e.stream.PublishAt(p.began, telemetry.TypeStart, telemetry.Start{
		RequestID: p.in.RequestID,
		Version:   e.version.Version,
		Tracing:   tracing(p.in.TraceID),

		FunctionARN: p.in.FunctionARN,
	})
	e.output.tail.line(fmt.Sprintf("START RequestId: %s Version: %s", p.in.RequestID, e.version.Version))
}

// runtimeDone tells that the function has answered. A handler that returned an
// error is a success here: the runtime did its job (Telemetry API reference).
func (e *environment) runtimeDone(p *phase) {
	duration := p.ended.Sub(p.began)
	if p.failure != nil && p.failure.kind == telemetry.StatusTimeout {
		e.output.tail.line(fmt.Sprintf("%s %s %s", p.ended.UTC().Format("2006-01-02T15:04:05.000Z"), p.in.RequestID, p.failure.message))
	}
	e.stream.PublishAt(p.ended, telemetry.TypeRuntimeDone, telemetry.RuntimeDone{
		RequestID: p.in.RequestID,
		Status:    p.failure.status(),
		ErrorType: p.failure.errorType(),
		Tracing:   tracing(p.in.TraceID),
		Metrics: &telemetry.RuntimeDoneMetrics{
			DurationMs:    telemetry.Milliseconds(duration),
			ProducedBytes: int64(p.produced),
		},
	})
	e.output.tail.line("END RequestId: " + p.in.RequestID)
}

// report closes the phase: what it took, what is billed, how much memory the
// environment had at most.
func (e *environment) report(p *phase) {
	now := time.Now()
	duration := now.Sub(p.began)
	if p.failure != nil && p.failure.kind == telemetry.StatusTimeout {
		// Lambda's report clamps to the timeout.
		duration = e.timeout()
	}
	billed := billedMs(duration)
	metrics := telemetry.ReportMetrics{
		DurationMs:       telemetry.Milliseconds(duration),
		MemorySizeMB:     int64(e.version.MemorySize),
		MaxMemoryUsedMB:  int64(e.maxMemoryMB()),
		BilledDurationMs: billed,
		CPUTimeMs:        telemetry.Milliseconds(max(0, e.cpuTime()-p.cpu)),
	}
	switch {
	case !p.cold:
	case e.snapshot != nil:
		restoreMs, billedRestore := telemetry.Milliseconds(e.restored.phase), billedMs(e.restored.runtime)
		metrics.RestoreDurationMs, metrics.BilledRestoreDurationMs = &restoreMs, &billedRestore
		metrics.BilledDurationMs += billedRestore
	default:
		initMs := telemetry.Milliseconds(e.initDuration)
		metrics.InitDurationMs = &initMs
		// Since August 2025 Lambda bills the init phase as well.
		metrics.BilledDurationMs = billedMs(duration + e.initDuration)
	}
	e.stream.PublishAt(now, telemetry.TypeReport, telemetry.Report{
		RequestID: p.in.RequestID,
		Status:    p.failure.status(),
		ErrorType: p.failure.errorType(),
		Metrics:   metrics,
		Tracing:   tracing(p.in.TraceID),
		Spans: []telemetry.Span{{
			Name:       telemetry.SpanExtensionOverhead,
			Start:      p.ended,
			DurationMs: telemetry.Milliseconds(now.Sub(p.ended)),
		}},
	})
	e.output.tail.line(reportLine(p, metrics))
}

// reportLine is the REPORT line of Lambda's text log: fields separated by tabs,
// with a tab at the end.
func reportLine(p *phase, m telemetry.ReportMetrics) string {
	fields := []string{
		"REPORT RequestId: " + p.in.RequestID,
		fmt.Sprintf("Duration: %.2f ms", m.DurationMs),
		fmt.Sprintf("Billed Duration: %d ms", m.BilledDurationMs),
		fmt.Sprintf("Memory Size: %d MB", m.MemorySizeMB),
		fmt.Sprintf("Max Memory Used: %d MB", m.MaxMemoryUsedMB),
	}
	if m.InitDurationMs != nil {
		fields = append(fields, fmt.Sprintf("Init Duration: %.2f ms", *m.InitDurationMs))
	}
	if m.RestoreDurationMs != nil {
		fields = append(fields, fmt.Sprintf("Restore Duration: %.2f ms", *m.RestoreDurationMs))
	}
	if m.BilledRestoreDurationMs != nil {
		fields = append(fields, fmt.Sprintf("Billed Restore Duration: %d ms", *m.BilledRestoreDurationMs))
	}
	if p.failure != nil {
		fields = append(fields, "Status: "+string(p.failure.kind))
		if p.failure.typ != "" {
			fields = append(fields, "Error Type: "+p.failure.typ)
		}
	}
	return strings.Join(fields, "\t") + "\t"
}

// billedMs rounds up to whole milliseconds, Lambda's unit of billing.
func billedMs(d time.Duration) int64 {
	return int64(math.Ceil(float64(d) / float64(time.Millisecond)))
}

func tracing(traceID string) *telemetry.Tracing {
	if traceID == "" {
		return nil
	}
	return &telemetry.Tracing{Type: telemetry.TracingType, Value: traceID}
}
