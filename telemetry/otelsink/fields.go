package otelsink

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/trace"
)

// fields are those of a log line that is a JSON object.
type fields map[string]any

// objectOf returns nil for a line that is not one.
func objectOf(line []byte) fields {
	line = bytes.TrimSpace(line)
	if len(line) == 0 || line[0] != '{' {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.UseNumber() // an id of 64 bits is not rounded
	var f fields
	if err := decoder.Decode(&f); err != nil || decoder.InputOffset() != int64(len(line)) {
		return nil
	}
	return f
}

// fill makes a record of the line: level, time and message by the names that loggers
// give them, everything else as attributes. A line without a message is its own body.
// It returns the span that the line belongs to: one of the guest's own, if the line
// names it and it is of the trace that the guest was given.
func (f fields) fill(r *log.Record, span trace.SpanContext) trace.SpanContext {
	if level := f.text("level", "severity"); level != "" {
		r.SetSeverityText(level)
		r.SetSeverity(severities[strings.ToUpper(level)])
	}
	if at, ok := timeOf(f.text("timestamp", "time")); ok {
		r.SetTimestamp(at)
	}
	span = f.span(span)
	message := f.text("message", "msg")
	if message == "" {
		r.SetBody(attribute.MapValue(attributesOf(f)...))
		return span
	}
	r.SetBody(attribute.StringValue(message))
	for _, name := range []string{"level", "severity", "timestamp", "time", "message", "msg"} {
		if _, isText := f[name].(string); isText {
			delete(f, name)
		}
	}
	maps.DeleteFunc(f, func(name string, _ any) bool { return reserved(name) })
	r.AddAttributes(attributesOf(f)...)
	return span
}

// text returns the first of the fields that is a text.
func (f fields) text(names ...string) string {
	for _, name := range names {
		if text, ok := f[name].(string); ok && text != "" {
			return text
		}
	}
	return ""
}

func (f fields) span(given trace.SpanContext) trace.SpanContext {
	id, err := trace.SpanIDFromHex(f.text("span_id", "spanId"))
	if err != nil || !given.IsValid() || f.text("trace_id", "traceId") != given.TraceID().String() {
		return given
	}
	return given.WithSpanID(id)
}

// reserved tells whether an attribute is the host's to give: what a guest writes must
// not pass for another function's.
func reserved(name string) bool {
	for _, prefix := range []string{"faas.", "cloud.", "aws.log.", "lambent.", "service."} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

func attributesOf(f map[string]any) []attribute.KeyValue {
	list := make([]attribute.KeyValue, 0, len(f))
	for _, name := range slices.Sorted(maps.Keys(f)) {
		list = append(list, attribute.KeyValue{Key: attribute.Key(name), Value: valueOf(f[name])})
	}
	return list
}

func valueOf(v any) attribute.Value {
	switch v := v.(type) {
	case string:
		return attribute.StringValue(v)
	case bool:
		return attribute.BoolValue(v)
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return attribute.Int64Value(n)
		}
		n, err := v.Float64()
		if err != nil {
			return attribute.StringValue(v.String()) // beyond what a float holds
		}
		return attribute.Float64Value(n)
	case []any:
		list := make([]attribute.Value, len(v))
		for i, element := range v {
			list[i] = valueOf(element)
		}
		return attribute.SliceValue(list...)
	case map[string]any:
		return attribute.MapValue(attributesOf(v)...)
	}
	return attribute.Value{} // null
}
