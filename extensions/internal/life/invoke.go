package life

import (
	"context"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/lambent-host/lambent/extensions"
	"github.com/lambent-host/lambent/telemetry"
)

// Invocation is what the function does with an event. The zero value writes
// nothing and succeeds at once.
type Invocation struct {
	// Write is what the function writes while it runs.
	Write func(stdout io.Writer)
	// Status is how the runtime ends. With timeout the function takes all the time
	// there is. After anything but success, which is the default, the environment
	// can only be shut down.
	Status telemetry.Status
	// ErrorType of a status that is not success.
	ErrorType string
	// HandlerError has the function answer with an error; to the platform that is
	// a success.
	HandlerError bool
	// Unreported leaves out platform.report.
	Unreported bool
}

// Phase is what an invocation took.
type Phase struct {
	RequestID string
	// Overhead is the time from the function's end until every extension was ready
	// for the next event, Lambda's extensionOverhead. It is 0 where that was not
	// waited for.
	Overhead time.Duration
}

const traceID = "Root=1-00000000-000000000000000000000000;Parent=0000000000000000;Sampled=0"

// Invoke leads one invocation and returns when its extensions are ready for the
// next. The error is of [extensions.Set.AwaitIdle]; a function that ends badly is
// none, and its extensions are not waited for, as on Lambda.
func (e *Environment) Invoke(ctx context.Context, in Invocation) (Phase, error) {
	ctx, cancel := context.WithTimeout(ctx, e.cfg.InvokeTimeout)
	defer cancel()
	e.count++
	p := Phase{RequestID: fmt.Sprintf("00000000-0000-4000-8000-%012d", e.count)}
	began := time.Now()
	deadline, _ := ctx.Deadline()
	tracing := &telemetry.Tracing{Type: telemetry.TracingType, Value: traceID}
	e.Stream.PublishAt(began, telemetry.TypeStart, telemetry.Start{
		RequestID: p.RequestID, Version: "$LATEST", Tracing: tracing, FunctionARN: e.cfg.arn(),
	})
	e.set.Invoke(extensions.InvokeEvent{RequestID: p.RequestID, FunctionARN: e.cfg.arn(), TraceID: traceID, Deadline: deadline})
	ended := e.function(ctx, in, p.RequestID, began)
	var err error
	if in.succeeds() {
		err = e.set.AwaitIdle(ctx)
		p.Overhead = time.Since(ended)
	}
	if !in.Unreported {
		e.report(in, p, began, ended)
	}
	return p, err
}

func (in Invocation) succeeds() bool { return in.Status == "" || in.Status == telemetry.StatusSuccess }

func (in Invocation) status() telemetry.Status {
	if in.Status == "" {
		return telemetry.StatusSuccess
	}
	return in.Status
}

// function stands for the function and returns when it ended.
func (e *Environment) function(ctx context.Context, in Invocation, requestID string, began time.Time) (ended time.Time) {
	if in.Write != nil {
		stdout := telemetry.NewLineWriter(e.Stream, telemetry.TypeFunction)
		in.Write(stdout)
		stdout.Flush()
	}
	if in.Status == telemetry.StatusTimeout {
		<-ctx.Done()
	}
	ended = time.Now()
	produced := int64(len(`{"ok":true}`))
	if !in.succeeds() || in.HandlerError {
		produced = 0
	}
	e.Stream.PublishAt(ended, telemetry.TypeRuntimeDone, telemetry.RuntimeDone{
		RequestID: requestID, Status: in.status(), ErrorType: in.ErrorType,
		Tracing: &telemetry.Tracing{Type: telemetry.TracingType, Value: traceID},
		Metrics: &telemetry.RuntimeDoneMetrics{DurationMs: telemetry.Milliseconds(ended.Sub(began)), ProducedBytes: produced},
	})
	return ended
}

func (e *Environment) report(in Invocation, p Phase, began, ended time.Time) {
	took := ended.Sub(began) + p.Overhead
	record := telemetry.Report{
		RequestID: p.RequestID, Status: in.status(), ErrorType: in.ErrorType,
		Tracing: &telemetry.Tracing{Type: telemetry.TracingType, Value: traceID},
		Metrics: telemetry.ReportMetrics{
			DurationMs:       telemetry.Milliseconds(took),
			BilledDurationMs: int64(math.Ceil(float64(took) / float64(time.Millisecond))),
			MemorySizeMB:     128, MaxMemoryUsedMB: 16,
		},
	}
	if in.succeeds() {
		record.Spans = []telemetry.Span{{Name: telemetry.SpanExtensionOverhead, Start: ended, DurationMs: telemetry.Milliseconds(p.Overhead)}}
	}
	e.Stream.Publish(telemetry.TypeReport, record)
}
