package telemetry

import (
	"encoding/json"
	"math"
	"testing"
	"time"
)

// reflected is the event as encoding/json writes it.
func reflected(e Event, s Schema, source *Source) (string, error) {
	record := e.Record
	if v, ok := record.(versioned); ok {
		record = v.in(s)
	}
	if raw, ok := record.(json.RawMessage); ok && s == Schema20220701 {
		record = string(raw)
	}
	var from origin
	if source != nil {
		from = origin{source.EnvironmentID, source.FunctionARN, source.FunctionVersion}
	}
	b, err := json.Marshal(struct {
		Time   string `json:"time"`
		Type   Type   `json:"type"`
		Record any    `json:"record"`
		origin
	}{FormatTime(e.Time), e.Type, record, from})
	return string(b), err
}

var allSchemas = []Schema{Schema20220701, Schema20221213, Schema20250129, LogsSchema20200815, LogsSchema20210318}

// checkReflected holds that both ways write the same.
func checkReflected(t *testing.T, ev Event) {
	t.Helper()
	for _, schema := range allSchemas {
		for _, source := range []*Source{nil, {}, {EnvironmentID: "<e>", FunctionARN: "arn", FunctionVersion: "1"}} {
			want, wantErr := reflected(ev, schema, source)
			got, err := ev.append(nil, schema, source)
			if (err != nil) != (wantErr != nil) || err == nil && string(got) != want {
				t.Errorf("%s in %s:\n got %s, %v\nwant %s, %v", ev.Type, schema, got, err, want, wantErr)
			}
		}
	}
}

func TestWrittenAsEncodingJSONDoes(t *testing.T) {
	for _, test := range records {
		checkReflected(t, Event{Time: at, Type: test.typ, Record: test.record})
	}
	for _, record := range []any{
		Start{}, RuntimeDone{}, Report{}, RuntimeDone{Metrics: &RuntimeDoneMetrics{}, Spans: []Span{{}, {Name: "<"}}, Tracing: &Tracing{}},
		Report{Metrics: ReportMetrics{DurationMs: -0.0004, CPUTimeMs: 0.0001, BilledDurationMs: math.MinInt64, RestoreDurationMs: ptr(Millis(0))}},
		"", nil, json.RawMessage(`{"a" : "<"}`), json.RawMessage(`{`), map[string]int{"a": 1}, func() {},
	} {
		checkReflected(t, Event{Time: at, Type: `a"type`, Record: record})
	}
	if got := string(Millis(math.NaN()).append(nil)) + string(Millis(math.Inf(1)).append(nil)); got != "0.0000.000" {
		t.Errorf("what is no number: %s", got)
	}
}

func TestTheRecordsOfAnInvocationAllocateNothing(t *testing.T) {
	body, ends := make([]byte, 0, 1<<16), make([]int, 0, 16)
	for _, ev := range hot() {
		if n := testing.AllocsPerRun(100, func() {
			if _, _, err := ev.Append(body, ends, Encoding{Schema: Schema20250129, Separator: ','}); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", ev.Type, n)
		}
	}
}

// FuzzString holds that text is quoted as encoding/json does.
func FuzzString(f *testing.F) {
	for _, s := range []string{"", "plain", "\"\\\b\f\n\r\t\x00\x1f\x7f", "<&>", "é😀\u2028\u2029\ufffd", "\xff\xc3", "\xe2\x80"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if got := appendString(nil, s); string(got) != string(want) || quotedLen(s) != len(want) {
			t.Errorf("%q: got %s, %d; want %s, %d", s, got, quotedLen(s), want, len(want))
		}
	})
}

func FuzzReport(f *testing.F) {
	f.Add("r", "success", "E", 1.5, int64(2), "span", int64(1700000000), "t")
	f.Fuzz(func(t *testing.T, id, status, errorType string, ms float64, n int64, name string, seconds int64, tenant string) {
		if math.IsNaN(ms) || math.IsInf(ms, 0) || !writable(time.Unix(seconds, 0)) {
			return
		}
		spans := []Span{{Name: name, Start: time.Unix(seconds, n), DurationMs: Millis(ms)}}
		if !writable(spans[0].Start) {
			return
		}
		tracing := &Tracing{TracingType, id, name}
		m := ptr(Millis(ms))
		for typ, record := range map[Type]any{
			TypeStart:       Start{id, status, tracing, tenant, name},
			TypeRuntimeDone: RuntimeDone{id, Status(status), errorType, &RuntimeDoneMetrics{*m, n}, spans, tracing, tenant},
			TypeReport:      Report{id, Status(status), errorType, ReportMetrics{*m, n, n, n, m, m, &n, *m}, spans, tracing, tenant},
		} {
			checkReflected(t, Event{Time: time.Unix(seconds, 0), Type: typ, Record: record})
		}
	})
}
