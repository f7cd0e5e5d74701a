package telemetry

import (
	"encoding/json"
	"testing"
)

// exact has what the oldest and the newest schema make of the records of
// [records], in their order; "" is the record of 2022-12-13 as it stands there.
// The fields are those of AWS's schemas 2022-07-01 and 2025-01-29, and Lambent's
// own cpuTimeMs, which all three have.
var exact = []struct{ oldest, newest string }{
	{`{"initializationType":"on-demand","phase":"init","runtimeVersion":"v","runtimeVersionArn":"va"}`, ""},
	{`{"initializationType":"snap-start","phase":"invoke","status":"error","errorType":"Runtime.ExitError",` + span + `}`, ""},
	{`{"initializationType":"provisioned-concurrency","phase":"init","metrics":{"durationMs":1.500},` + span + `}`, ""},
	{`{"runtimeVersion":"v","runtimeVersionArn":"va"}`, ""},
	{`{"errorType":"E",` + span + `}`, ""},
	{`{"errorType":"E","metrics":{"durationMs":2.000},` + span + `}`, ""},
	{"", `{"requestId":"r","version":"$LATEST",` + tracing + `,"tenantId":"t","functionArn":"arn"}`},
	{"", `{"requestId":"r","status":"timeout","errorType":"E","metrics":{"durationMs":5001.182,"producedBytes":0},` + span + `,` + tracing + `,"tenantId":"t"}`},
	{
		`{"requestId":"r","status":"success","errorType":"E","metrics":{"durationMs":1.000,"billedDurationMs":2,"memorySizeMB":128,"maxMemoryUsedMB":16,"initDurationMs":3.000,"restoreDurationMs":4.000,"cpuTimeMs":0.500},` + span + `,` + tracing + `}`,
		`{"requestId":"r","status":"success","errorType":"E","metrics":{"durationMs":1.000,"billedDurationMs":2,"memorySizeMB":128,"maxMemoryUsedMB":16,"initDurationMs":3.000,"restoreDurationMs":4.000,"billedRestoreDurationMs":5,"cpuTimeMs":0.500},` + span + `,` + tracing + `,"tenantId":"t"}`,
	},
	{`{"name":"x","state":"Ready","events":["INVOKE"]}`, ""},
	{"", ""},
	{"", ""},
	{"", ""},
	{`"{\"level\":\"INFO\"}"`, ""},
	{"", ""},
}

func TestExactJSONOfEachSchema(t *testing.T) {
	if len(exact) != len(records) {
		t.Fatalf("%d of %d records", len(exact), len(records))
	}
	for i, test := range records {
		wants := map[Schema]string{Schema20220701: exact[i].oldest, Schema20221213: "", Schema20250129: exact[i].newest}
		for schema, want := range wants {
			if want == "" {
				want = test.want
			}
			got, err := Event{Time: at, Type: test.typ, Record: test.record}.Encode(schema)
			want = `{"time":"2026-01-02T02:04:05.678Z","type":"` + string(test.typ) + `","record":` + want + `}`
			if err != nil || string(got) != want {
				t.Errorf("%s in %s:\n got %s, %v\nwant %s", test.typ, schema, got, err, want)
			}
		}
	}
}

// TestRequiredFields holds that what a schema requires is there when it is nothing.
func TestRequiredFields(t *testing.T) {
	for _, test := range []struct {
		typ    Type
		record any
		want   string
	}{
		{TypeInitStart, InitStart{}, `{"initializationType":"","phase":""}`},
		{TypeInitRuntimeDone, InitRuntimeDone{}, `{"initializationType":"","phase":"","status":""}`},
		{TypeInitReport, InitReport{}, `{"initializationType":"","phase":"","metrics":{"durationMs":0.000}}`},
		{TypeRestoreStart, RestoreStart{}, `{}`},
		{TypeRestoreReport, RestoreReport{}, `{"metrics":{"durationMs":0.000}}`},
		{TypeStart, Start{}, `{"requestId":""}`},
		{TypeRuntimeDone, RuntimeDone{Metrics: &RuntimeDoneMetrics{}}, `{"requestId":"","status":"","metrics":{"durationMs":0.000,"producedBytes":0}}`},
		{TypeReport, Report{}, `{"requestId":"","metrics":{"durationMs":0.000,"billedDurationMs":0,"memorySizeMB":0,"maxMemoryUsedMB":0}}`},
		{TypeExtensionState, Extension{}, `{"name":"","state":"","events":[]}`},
		{TypeTelemetrySubscription, TelemetrySubscription{Types: []Category{}}, `{"name":"","state":"","types":[]}`},
		{TypeLogsDropped, LogsDropped{}, `{"reason":"","droppedRecords":0,"droppedBytes":0}`},
	} {
		for _, schema := range []Schema{Schema20220701, Schema20221213, Schema20250129} {
			text, err := Event{Time: at, Type: test.typ, Record: test.record}.Encode(schema)
			var ev struct{ Record json.RawMessage }
			if err != nil || json.Unmarshal(text, &ev) != nil || string(ev.Record) != test.want {
				t.Errorf("%s in %s: %s, %v; want %s", test.typ, schema, ev.Record, err, test.want)
			}
		}
	}
}
