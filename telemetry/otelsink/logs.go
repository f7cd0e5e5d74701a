package otelsink

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"go.opentelemetry.io/contrib/propagators/aws/xray"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/lambent-host/lambent/telemetry"
)

// follower makes log records of the events of all environments, and spans of the lines
// that carry some. One goroutine uses it. Nothing it calls waits for a collector.
type follower struct {
	sink   *Sink
	logger log.Logger // nil: logs are not exported
	// running are the invocations under way, by their environments.
	running map[*telemetry.Source]invocation
}

// invocation is what the lines between platform.start and platform.report belong to.
type invocation struct {
	id   string
	span trace.SpanContext
}

// Follow reads the logs of functions and extensions from the bus, in a goroutine that
// ends with the bus and that Shutdown waits for. Where neither logs nor traces are
// exported it does nothing, and nobody pays for the events.
func (s *Sink) Follow(bus *telemetry.Bus) {
	if s.logs == nil && s.spans == nil {
		return
	}
	categories := []telemetry.Category{telemetry.CategoryPlatform, telemetry.CategoryFunction}
	f := &follower{sink: s, running: map[*telemetry.Source]invocation{}}
	if s.logs != nil {
		f.logger = s.logger()
		categories = append(categories, telemetry.CategoryExtension)
	}
	sub := bus.Subscribe(telemetry.SubscriptionConfig{Categories: categories})
	s.following.Go(func() {
		for {
			ev, err := sub.Next(context.Background())
			if err != nil { // io.EOF: the bus has closed
				return
			}
			f.take(ev)
		}
	})
}

func (f *follower) take(ev telemetry.Event) {
	switch record := ev.Record.(type) {
	case telemetry.Start:
		f.running[ev.Source] = invocation{id: record.RequestID, span: spanOf(record.Tracing)}
	case telemetry.Report:
		delete(f.running, ev.Source)
	case telemetry.LogsDropped:
		// What was lost may have been the start of another invocation: no id is better
		// than a wrong one.
		clear(f.running)
		if f.sink.logging != nil {
			f.sink.logging.lose(record.DroppedRecords, errFull)
		}
	case string:
		f.line(ev, []byte(record), record)
	case json.RawMessage:
		f.line(ev, record, "")
	}
}

// line takes one line of a log. text is the line itself where it is not known to be an
// object.
func (f *follower) line(ev telemetry.Event, line []byte, text string) {
	in := f.running[ev.Source]
	if ev.Type == telemetry.TypeFunction && f.sink.spans != nil && f.spans(ev.Source, in, line) {
		return
	}
	if f.logger == nil || !f.sink.logging.admit() {
		return
	}
	var r log.Record
	r.SetObservedTimestamp(ev.Time)
	r.SetTimestamp(ev.Time)
	span := in.span
	if fields := objectOf(line); fields != nil {
		span = fields.fill(&r, span)
	} else {
		r.SetBody(attribute.StringValue(text))
	}
	r.AddAttributes(originOf(ev.Source)...)
	r.AddAttributes(attribute.String("lambent.log.type", string(ev.Type)))
	if in.id != "" {
		r.AddAttributes(semconv.FaaSInvocationID(in.id))
	}
	f.logger.Emit(trace.ContextWithSpanContext(context.Background(), span), r)
}

// originOf are the attributes of what an environment says. The guest has no part in them.
func originOf(src *telemetry.Source) []attribute.KeyValue {
	return []attribute.KeyValue{
		semconv.FaaSName(src.FunctionName),
		semconv.FaaSVersion(src.FunctionVersion),
		semconv.FaaSInstance(src.LogStream),
		semconv.CloudResourceID(src.FunctionARN),
		semconv.AWSLogGroupNames(src.LogGroup),
		semconv.AWSLogStreamNames(src.LogStream),
	}
}

// spanOf reads the trace context of an event; it is not valid where there is none.
func spanOf(tracing *telemetry.Tracing) trace.SpanContext {
	if tracing == nil {
		return trace.SpanContext{}
	}
	carrier := propagation.MapCarrier{telemetry.TracingType: tracing.Value}
	return trace.SpanContextFromContext(xray.Propagator{}.Extract(context.Background(), carrier))
}

// severities of the levels that loggers write, Lambda's among them.
var severities = map[string]log.Severity{
	"TRACE": log.SeverityTrace, "DEBUG": log.SeverityDebug, "INFO": log.SeverityInfo, "NOTICE": log.SeverityInfo2,
	"WARN": log.SeverityWarn, "WARNING": log.SeverityWarn, "ERROR": log.SeverityError,
	"CRITICAL": log.SeverityFatal, "FATAL": log.SeverityFatal, "PANIC": log.SeverityFatal,
}

// timeOf reads a time as loggers write it.
func timeOf(text string) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339Nano, strings.TrimSpace(text))
	return t, err == nil
}
