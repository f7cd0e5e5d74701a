package telemetry

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// This file writes the events of every invocation as encoding/json would, without
// reflection and without an allocation. A test holds the two equal. Other records
// go through encoding/json.

// append appends the event as JSON; source is told beside the record if there is one.
func (e Event) append(dst []byte, s Schema, source *Source) ([]byte, error) {
	begin := len(dst)
	dst = append(dst, `{"time":`...)
	dst = appendTime(dst, e.Time)
	dst = append(dst, `,"type":`...)
	dst = appendString(dst, string(e.Type))
	dst = append(dst, `,"record":`...)
	switch r := e.Record.(type) {
	case string:
		dst = appendString(dst, r)
	case Start:
		dst = r.append(dst, s)
	case RuntimeDone:
		dst = r.append(dst, s)
	case Report:
		dst = r.append(dst, s)
	default:
		record, err := marshalRecord(r, s)
		if err != nil {
			return dst[:begin], fmt.Errorf("encode event %s: %w", e.Type, err)
		}
		dst = append(dst, record...)
	}
	if source != nil {
		dst = appendMember(dst, `,"environmentId":`, source.EnvironmentID)
		dst = appendMember(dst, `,"functionArn":`, source.FunctionARN)
		dst = appendMember(dst, `,"functionVersion":`, source.FunctionVersion)
	}
	return append(dst, '}'), nil
}

// marshalRecord writes any record in the schema.
func marshalRecord(record any, s Schema) ([]byte, error) {
	if v, ok := record.(versioned); ok {
		record = v.in(s)
	}
	if raw, ok := record.(json.RawMessage); ok && s == Schema20220701 {
		record = string(raw) // this schema knows log records as text alone
	}
	return json.Marshal(record)
}

func (r Start) append(dst []byte, s Schema) []byte {
	dst = append(dst, `{"requestId":`...)
	dst = appendString(dst, r.RequestID)
	dst = appendMember(dst, `,"version":`, r.Version)
	dst = r.Tracing.append(dst)
	if s == Schema20250129 {
		dst = appendMember(dst, `,"tenantId":`, r.TenantID)
		dst = appendMember(dst, `,"functionArn":`, r.FunctionARN)
	}
	return append(dst, '}')
}

func (r RuntimeDone) append(dst []byte, s Schema) []byte {
	dst = append(dst, `{"requestId":`...)
	dst = appendString(dst, r.RequestID)
	dst = append(dst, `,"status":`...)
	dst = appendString(dst, string(r.Status))
	dst = appendMember(dst, `,"errorType":`, r.ErrorType)
	if r.Metrics != nil {
		dst = append(dst, `,"metrics":{"durationMs":`...)
		dst = r.Metrics.DurationMs.append(dst)
		dst = append(dst, `,"producedBytes":`...)
		dst = strconv.AppendInt(dst, r.Metrics.ProducedBytes, 10)
		dst = append(dst, '}')
	}
	dst = appendSpans(dst, r.Spans)
	dst = r.Tracing.append(dst)
	if s == Schema20250129 {
		dst = appendMember(dst, `,"tenantId":`, r.TenantID)
	}
	return append(dst, '}')
}

func (r Report) append(dst []byte, s Schema) []byte {
	dst = append(dst, `{"requestId":`...)
	dst = appendString(dst, r.RequestID)
	dst = appendMember(dst, `,"status":`, string(r.Status))
	dst = appendMember(dst, `,"errorType":`, r.ErrorType)
	dst = append(dst, `,"metrics":`...)
	dst = r.Metrics.append(dst, s)
	dst = appendSpans(dst, r.Spans)
	dst = r.Tracing.append(dst)
	if s == Schema20250129 {
		dst = appendMember(dst, `,"tenantId":`, r.TenantID)
	}
	return append(dst, '}')
}

func (m ReportMetrics) append(dst []byte, s Schema) []byte {
	dst = append(dst, `{"durationMs":`...)
	dst = m.DurationMs.append(dst)
	dst = append(dst, `,"billedDurationMs":`...)
	dst = strconv.AppendInt(dst, m.BilledDurationMs, 10)
	dst = append(dst, `,"memorySizeMB":`...)
	dst = strconv.AppendInt(dst, m.MemorySizeMB, 10)
	dst = append(dst, `,"maxMemoryUsedMB":`...)
	dst = strconv.AppendInt(dst, m.MaxMemoryUsedMB, 10)
	if m.InitDurationMs != nil {
		dst = m.InitDurationMs.append(append(dst, `,"initDurationMs":`...))
	}
	if m.RestoreDurationMs != nil {
		dst = m.RestoreDurationMs.append(append(dst, `,"restoreDurationMs":`...))
	}
	if m.BilledRestoreDurationMs != nil && s != Schema20220701 {
		dst = strconv.AppendInt(append(dst, `,"billedRestoreDurationMs":`...), *m.BilledRestoreDurationMs, 10)
	}
	if m.CPUTimeMs != 0 {
		dst = m.CPUTimeMs.append(append(dst, `,"cpuTimeMs":`...))
	}
	return append(dst, '}')
}

func (t *Tracing) append(dst []byte) []byte {
	if t == nil {
		return dst
	}
	dst = append(dst, `,"tracing":{"type":`...)
	dst = appendString(dst, t.Type)
	dst = append(dst, `,"value":`...)
	dst = appendString(dst, t.Value)
	dst = appendMember(dst, `,"spanId":`, t.SpanID)
	return append(dst, '}')
}

func appendSpans(dst []byte, spans []Span) []byte {
	if len(spans) == 0 {
		return dst
	}
	dst = append(dst, `,"spans":[`...)
	for i, span := range spans {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"name":`...)
		dst = appendString(dst, span.Name)
		dst = append(dst, `,"start":`...)
		dst = appendTime(dst, span.Start)
		dst = append(dst, `,"durationMs":`...)
		dst = span.DurationMs.append(dst)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// append writes three decimals. What is no number becomes 0: JSON has no word for it.
func (m Millis) append(dst []byte) []byte {
	if math.IsNaN(float64(m)) || math.IsInf(float64(m), 0) {
		m = 0
	}
	return strconv.AppendFloat(dst, float64(m), 'f', 3, 64)
}

func appendTime(dst []byte, t time.Time) []byte {
	dst = append(dst, '"')
	dst = t.UTC().AppendFormat(dst, timeLayout)
	return append(dst, '"')
}

// appendMember appends a member of an object unless its value is empty.
func appendMember(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	return appendString(append(dst, name...), value)
}

const hexadecimal = "0123456789abcdef"

// appendString quotes s. As encoding/json does, it escapes what HTML or JavaScript
// could take for something else, and writes U+FFFD for what is not UTF-8.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	done := 0
	for i := 0; i < len(s); {
		if plain(s[i]) {
			i++
			continue
		}
		size := 1
		if s[i] >= utf8.RuneSelf {
			var r rune
			if r, size = utf8.DecodeRuneInString(s[i:]); !special(r, size) {
				i += size
				continue
			}
		}
		dst = append(dst, s[done:i]...)
		dst = appendEscape(dst, s[i:i+size])
		i += size
		done = i
	}
	dst = append(dst, s[done:]...)
	return append(dst, '"')
}

// plain tells whether a byte is a character that needs no escape.
func plain(c byte) bool {
	return c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
}

// special tells whether a character beyond ASCII needs an escape: one that is not
// UTF-8, and the two that end a line in JavaScript.
func special(r rune, size int) bool {
	return r == utf8.RuneError && size == 1 || r == '\u2028' || r == '\u2029'
}

func appendEscape(dst []byte, char string) []byte {
	if len(char) > 1 {
		return append(dst, '\\', 'u', '2', '0', '2', hexadecimal[char[2]&0xf])
	}
	switch c := char[0]; c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	default:
		if c >= utf8.RuneSelf {
			return append(dst, `\ufffd`...)
		}
		return append(dst, '\\', 'u', '0', '0', hexadecimal[c>>4], hexadecimal[c&0xf])
	}
}

// quotedLen is how long appendString makes s.
func quotedLen(s string) int {
	n := len(s) + 2
	for i := 0; i < len(s); {
		if plain(s[i]) {
			i++
			continue
		}
		size := 1
		if s[i] >= utf8.RuneSelf {
			var r rune
			if r, size = utf8.DecodeRuneInString(s[i:]); !special(r, size) {
				i += size
				continue
			}
		}
		n += len(`\u0000`) - size
		switch s[i] {
		case '"', '\\', '\b', '\f', '\n', '\r', '\t':
			n -= len(`\u0000`) - len(`\n`)
		}
		i += size
	}
	return n
}
