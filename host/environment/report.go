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
	e.output.tail.begin(p.in.Tail)
	if !e.heard() {
		return
	}
	record := telemetry.Start{
		RequestID:   p.in.RequestID,
		Version:     e.version.Version,
		Tracing:     tracing(p.in.TraceID),
		FunctionARN: p.in.FunctionARN,
	}
	e.stream.PublishAt(p.began, telemetry.TypeStart, record)
	e.logEvent(telemetry.Event{Time: p.began, Type: telemetry.TypeStart, Record: record}, levelInfo, func() string {
		return fmt.Sprintf("START RequestId: %s Version: %s", p.in.RequestID, e.version.Version)
	})
}

// runtimeDone tells that the function has answered. A handler that returned an
// error is a success here: the runtime did its job (Telemetry API reference).
func (e *environment) runtimeDone(p *phase) {
	if !e.heard() {
		return
	}
	record := telemetry.RuntimeDone{
		RequestID: p.in.RequestID,
		Status:    p.failure.status(),
		ErrorType: p.failure.errorType(),
		Tracing:   tracing(p.in.TraceID),
		Spans:     p.spans(),
		Metrics: &telemetry.RuntimeDoneMetrics{
			DurationMs:    telemetry.Milliseconds(p.ended.Sub(p.began)),
			ProducedBytes: int64(p.produced),
		},
	}
	e.stream.PublishAt(p.ended, telemetry.TypeRuntimeDone, record)
	e.logEvent(telemetry.Event{Time: p.ended, Type: telemetry.TypeRuntimeDone, Record: record}, p.failure.level(levelDebug), func() string {
		end := "END RequestId: " + p.in.RequestID
		if p.failure != nil && p.failure.kind == telemetry.StatusTimeout {
			return fmt.Sprintf("%s %s %s\n%s", telemetry.FormatTime(p.ended), p.in.RequestID, p.failure.message, end)
		}
		return end
	})
}

// spans are the parts of the function's time, in the words of the Telemetry API:
// until it began to answer, while it did, and until it was ready for the next
// event. A function that gave no answer has none.
func (p *phase) spans() []telemetry.Span {
	began, ended := p.result.AnswerBegan, p.result.AnswerEnded
	if began.IsZero() || p.failure != nil {
		return nil
	}
	span := func(name string, from, to time.Time) telemetry.Span {
		return telemetry.Span{Name: name, Start: from, DurationMs: telemetry.Milliseconds(to.Sub(from))}
	}
	return []telemetry.Span{
		span(telemetry.SpanResponseLatency, p.began, began),
		span(telemetry.SpanResponseDuration, began, ended),
		span(telemetry.SpanRuntimeOverhead, ended, p.ended),
	}
}

// report closes the phase: what it took, what is billed, how much memory the
// environment had at most.
func (e *environment) report(p *phase) {
	if !e.heard() {
		return
	}
	now := time.Now()
	record := telemetry.Report{
		RequestID: p.in.RequestID,
		Status:    p.failure.status(),
		ErrorType: p.failure.errorType(),
		Metrics:   e.metrics(p, now),
		Tracing:   tracing(p.in.TraceID),
		Spans: []telemetry.Span{{
			Name:       telemetry.SpanExtensionOverhead,
			Start:      p.ended,
			DurationMs: telemetry.Milliseconds(now.Sub(p.ended)),
		}},
	}
	e.stream.PublishAt(now, telemetry.TypeReport, record)
	e.logEvent(telemetry.Event{Time: now, Type: telemetry.TypeReport, Record: record}, p.failure.level(levelInfo), func() string {
		return reportLine(p, record.Metrics)
	})
}

// metrics are those of the report of a phase that is over now.
func (e *environment) metrics(p *phase, now time.Time) telemetry.ReportMetrics {
	duration := now.Sub(p.began)
	if p.failure != nil && p.failure.kind == telemetry.StatusTimeout {
		// Lambda's report clamps to the timeout.
		duration = e.timeout()
	}
	metrics := telemetry.ReportMetrics{
		DurationMs:       telemetry.Milliseconds(duration),
		MemorySizeMB:     int64(e.version.MemorySize),
		MaxMemoryUsedMB:  int64(e.maxMemoryMB()),
		BilledDurationMs: billedMs(duration),
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
	return metrics
}

// heard tells whether anybody would learn of a platform event: a reader of the
// stream, or the caller who asked for the end of the log.
func (e *environment) heard() bool {
	return e.stream.Wants(telemetry.CategoryPlatform) || e.output.tail.asked()
}

// Levels of platform events in a JSON log (developer guide, "System log level
// event mapping").
const (
	levelDebug = "DEBUG"
	levelInfo  = "INFO"
	levelWarn  = "WARN"
)

// level is that of an event that tells of the failure, or the normal one.
func (f *failure) level(normal string) string {
	if f != nil {
		return levelWarn
	}
	return normal
}

// logEvent writes a platform event to the log that the caller asked for: the event
// itself if the log is JSON and its level low enough, or else its text.
func (e *environment) logEvent(ev telemetry.Event, level string, text func() string) {
	switch {
	case !e.output.tail.asked():
	case !e.output.tail.records:
		e.output.tail.line(text())
	case atLeast(level, e.version.Logging.SystemLevel):
		if line, err := ev.Encode(telemetry.Schema20221213); err == nil {
			e.output.tail.line(string(line))
		}
	}
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
