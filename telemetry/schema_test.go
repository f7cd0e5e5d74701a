package telemetry

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

var at = time.Date(2026, 1, 2, 3, 4, 5, 678_901_234, time.FixedZone("", 3600))

// records has one event of each type with every field set, and its record in
// schema 2022-12-13.
var records = []struct {
	typ    Type
	record any
	want   string
}{
	{TypeInitStart, InitStart{OnDemand, PhaseInit, "f", "1", "i", 134217728, "v", "va", trace}, `{"initializationType":"on-demand","phase":"init","functionName":"f","functionVersion":"1","instanceId":"i","instanceMaxMemory":134217728,"runtimeVersion":"v","runtimeVersionArn":"va",` + tracing + `}`},
	{TypeInitRuntimeDone, InitRuntimeDone{SnapStart, PhaseInvoke, StatusError, "Runtime.ExitError", spans, trace}, `{"initializationType":"snap-start","phase":"invoke","status":"error","errorType":"Runtime.ExitError",` + span + `,` + tracing + `}`},
	{TypeInitReport, InitReport{ProvisionedConcurrency, PhaseInit, StatusTimeout, "E", InitMetrics{1.5}, spans, trace}, `{"initializationType":"provisioned-concurrency","phase":"init","status":"timeout","errorType":"E","metrics":{"durationMs":1.500},` + span + `,` + tracing + `}`},
	{TypeRestoreStart, RestoreStart{"f", "1", "i", 1, "v", "va", trace}, `{"functionName":"f","functionVersion":"1","instanceId":"i","instanceMaxMemory":1,"runtimeVersion":"v","runtimeVersionArn":"va",` + tracing + `}`},
	{TypeRestoreRuntimeDone, RestoreRuntimeDone{StatusFailure, "E", spans, trace}, `{"status":"failure","errorType":"E",` + span + `,` + tracing + `}`},
	{TypeRestoreReport, RestoreReport{StatusSuccess, "E", RestoreMetrics{2}, spans, trace}, `{"status":"success","errorType":"E","metrics":{"durationMs":2.000},` + span + `,` + tracing + `}`},
	{TypeStart, Start{"r", "$LATEST", trace, "t", "arn"}, `{"requestId":"r","version":"$LATEST",` + tracing + `}`},
	{TypeRuntimeDone, RuntimeDone{"r", StatusTimeout, "E", &RuntimeDoneMetrics{5001.182, 0}, spans, trace, "t"}, `{"requestId":"r","status":"timeout","errorType":"E","metrics":{"durationMs":5001.182,"producedBytes":0},` + span + `,` + tracing + `}`},
	{TypeReport, Report{"r", StatusSuccess, "E", ReportMetrics{1, 2, 128, 16, ptr(Millis(3)), ptr(Millis(4)), ptr(int64(5)), 0.5}, spans, trace, "t"}, `{"requestId":"r","status":"success","errorType":"E","metrics":{"durationMs":1.000,"billedDurationMs":2,"memorySizeMB":128,"maxMemoryUsedMB":16,"initDurationMs":3.000,"restoreDurationMs":4.000,"billedRestoreDurationMs":5,"cpuTimeMs":0.500},` + span + `,` + tracing + `}`},
	{TypeExtensionState, Extension{"x", "Ready", []string{"INVOKE"}, "E"}, `{"name":"x","state":"Ready","events":["INVOKE"],"errorType":"E"}`},
	{TypeTelemetrySubscription, TelemetrySubscription{"x", "Subscribed", []Category{CategoryPlatform}}, `{"name":"x","state":"Subscribed","types":["platform"]}`},
	{TypeLogsDropped, LogsDropped{"slow", 2, 300}, `{"reason":"slow","droppedRecords":2,"droppedBytes":300}`},
	{TypeFunction, "a \"line\"", `"a \"line\""`},
	{TypeFunction, json.RawMessage(`{"level":"INFO"}`), `{"level":"INFO"}`},
	{TypeExtension, "line", `"line"`},
}

var (
	trace = &Tracing{TracingType, "Root=1-a", "s"}
	spans = []Span{{SpanResponseLatency, at, 0.25}}
)

const (
	tracing = `"tracing":{"type":"X-Amzn-Trace-Id","value":"Root=1-a","spanId":"s"}`
	span    = `"spans":[{"name":"responseLatency","start":"2026-01-02T02:04:05.678Z","durationMs":0.250}]`
)

func ptr[T any](v T) *T { return &v }

func TestEncode(t *testing.T) {
	for _, test := range records {
		t.Run(string(test.typ), func(t *testing.T) {
			got, err := json.Marshal(Event{Time: at, Type: test.typ, Record: test.record})
			want := `{"time":"2026-01-02T02:04:05.678Z","type":"` + string(test.typ) + `","record":` + test.want + `}`
			if err != nil || string(got) != want {
				t.Errorf("got  %s, %v\nwant %s", got, err, want)
			}
		})
	}
}

// TestDecodeIsInverse encodes in the newest schema, which leaves nothing out.
func TestDecodeIsInverse(t *testing.T) {
	for _, test := range records {
		encoded, err := Event{Time: at, Type: test.typ, Record: test.record}.Encode(Schema20250129)
		if err != nil {
			t.Fatal(err)
		}
		var ev Event
		if err := json.Unmarshal(encoded, &ev); err != nil {
			t.Fatal(err)
		}
		again, err := ev.Encode(Schema20250129)
		if err != nil || string(again) != string(encoded) || reflect.TypeOf(ev.Record) != reflect.TypeOf(test.record) {
			t.Errorf("%s: got  %s (%T), %v\nwant %s", test.typ, again, ev.Record, err, encoded)
		}
	}
}

// TestSchemas names for each schema the fields that it does not have.
func TestSchemas(t *testing.T) {
	none := map[Type][]string{}
	newer := map[Type][]string{
		TypeStart: {"tenantId", "functionArn"}, TypeRuntimeDone: {"tenantId"}, TypeReport: {"tenantId"},
	}
	instance := []string{"functionName", "functionVersion", "instanceId", "instanceMaxMemory", "tracing"}
	oldest := map[Type][]string{
		TypeStart: newer[TypeStart], TypeRuntimeDone: newer[TypeRuntimeDone],
		TypeReport:    {"tenantId", "billedRestoreDurationMs"},
		TypeInitStart: instance, TypeRestoreStart: instance,
		TypeInitRuntimeDone: {"tracing"}, TypeInitReport: {"status", "errorType", "tracing"},
		TypeRestoreRuntimeDone: {"status", "tracing"}, TypeRestoreReport: {"status", "tracing"},
		TypeExtensionState: {"errorType"},
	}
	for schema, absent := range map[Schema]map[Type][]string{Schema20250129: none, Schema20221213: newer, Schema20220701: oldest} {
		for _, test := range records {
			ev := Event{Time: at, Type: test.typ, Record: test.record}
			full, _ := ev.Encode(Schema20250129)
			got, err := ev.Encode(schema)
			if err != nil {
				t.Fatal(err)
			}
			for _, field := range fields {
				name := `"` + field + `":`
				want := strings.Contains(string(full), name)
				for _, gone := range absent[test.typ] {
					want = want && gone != field
				}
				if strings.Contains(string(got), name) != want {
					t.Errorf("%s in %s: %s present %v: %s", test.typ, schema, field, !want, got)
				}
			}
		}
	}
	got, _ := Event{Time: at, Type: TypeFunction, Record: json.RawMessage(`{"a":1}`)}.Encode(Schema20220701)
	if !strings.HasSuffix(string(got), `"record":"{\"a\":1}"}`) {
		t.Errorf("an object in schema 2022-07-01: %s", got)
	}
}

var fields = []string{
	"tenantId", "functionArn", "functionName", "functionVersion", "instanceId", "instanceMaxMemory", "tracing", "status",
	"errorType", "billedRestoreDurationMs", "restoreDurationMs", "spans", "metrics", "runtimeVersion", "requestId",
}

func TestDecodeRefused(t *testing.T) {
	for input, want := range map[string]string{
		`[]`:                              "telemetry event",
		`{"type":"a","record":1}`:         "time is missing",
		`{"time":"x","type":"a"}`:         "telemetry event",
		`{"time":"2026-01-02T03:04:05Z"}`: "type is missing",
		`{"time":"2026-01-02T03:04:05.6Z","type":"platform.start"}`:                          "record is missing",
		`{"time":"2026-01-02T03:04:05.6Z","type":"platform.start","record":{"requestId":1}}`: "platform.start: record",
	} {
		var ev Event
		if err := json.Unmarshal([]byte(input), &ev); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", input, err, want)
		}
	}
	var ev Event
	if err := json.Unmarshal([]byte(`{"time":"2026-01-02T03:04:05Z","type":"platform.new","record":{"a":1}}`), &ev); err != nil {
		t.Errorf("an unknown type: %v", err)
	}
}

func TestMilliseconds(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0.000", 1234567 * time.Nanosecond: "1.235", time.Second: "1000.000", 499 * time.Nanosecond: "0.000",
	} {
		if got, _ := json.Marshal(Milliseconds(d)); string(got) != want {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
	}
	if got := Milliseconds(1500 * time.Microsecond).Duration(); got != 1500*time.Microsecond {
		t.Errorf("back: %v", got)
	}
}

// FuzzEvent holds that whatever decodes can be encoded and decodes to the same.
func FuzzEvent(f *testing.F) {
	for _, test := range records {
		encoded, err := Event{Time: at, Type: test.typ, Record: test.record}.Encode(Schema20250129)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(encoded)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var ev, again Event
		if json.Unmarshal(b, &ev) != nil {
			return
		}
		first, err := ev.Encode(Schema20250129)
		if err != nil {
			t.Fatalf("%q decodes and does not encode: %v", b, err)
		}
		if err := json.Unmarshal(first, &again); err != nil {
			t.Fatalf("%s does not decode: %v", first, err)
		}
		if second, _ := again.Encode(Schema20250129); string(second) != string(first) {
			t.Fatalf("%s became %s", first, second)
		}
	})
}
