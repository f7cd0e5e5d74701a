package telemetry

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestLogsForms has what becomes of one event of each type in the Logs API: the
// types and records in both schemas, those of 2021-03-18 with a + before them.
func TestLogsForms(t *testing.T) {
	report := Report{"r", StatusSuccess, "E", ReportMetrics{1, 2, 128, 16, ptr(Millis(3)), ptr(Millis(4)), ptr(int64(5)), 0.5}, spans, trace, "t"}
	tests := []struct {
		typ    Type
		record any
		want   []string
	}{
		{TypeInitStart, InitStart{}, nil},
		{TypeInitRuntimeDone, InitRuntimeDone{Status: StatusError}, nil},
		{TypeInitReport, InitReport{}, nil},
		{TypeRestoreStart, RestoreStart{}, nil},
		{TypeRestoreRuntimeDone, RestoreRuntimeDone{}, nil},
		{TypeRestoreReport, RestoreReport{}, nil},
		{TypeStart, Start{"r", "$LATEST", trace, "t", "arn"}, []string{`platform.start {"requestId":"r","version":"$LATEST"}`}},
		{TypeRuntimeDone, RuntimeDone{RequestID: "r", Status: StatusSuccess, Spans: spans}, []string{
			`+platform.runtimeDone {"requestId":"r","status":"success"}`,
		}},
		{TypeRuntimeDone, RuntimeDone{RequestID: "r", Status: StatusError, ErrorType: "Runtime.ExitError"}, []string{
			`+platform.runtimeDone {"requestId":"r","status":"failure"}`,
			`platform.fault "RequestId: r Process exited before completing request\nRuntime.ExitError"`,
		}},
		{TypeRuntimeDone, RuntimeDone{RequestID: "r", Status: StatusFailure}, []string{
			`+platform.runtimeDone {"requestId":"r","status":"failure"}`,
			`platform.fault "RequestId: r Process exited before completing request"`,
		}},
		{TypeRuntimeDone, RuntimeDone{RequestID: "r", Status: StatusTimeout, Metrics: &RuntimeDoneMetrics{DurationMs: 5001.182}}, []string{
			`+platform.runtimeDone {"requestId":"r","status":"timeout"}`,
			`platform.fault "RequestId: r Task timed out after 5.00 seconds"`,
		}},
		{TypeRuntimeDone, RuntimeDone{RequestID: "r", Status: StatusTimeout}, []string{
			`+platform.runtimeDone {"requestId":"r","status":"timeout"}`, `platform.fault "RequestId: r Task timed out"`,
		}},
		{TypeReport, report, []string{
			`platform.end {"requestId":"r"}`,
			`platform.report {"requestId":"r","metrics":{"durationMs":1.000,"billedDurationMs":2,"memorySizeMB":128,"maxMemoryUsedMB":16,"initDurationMs":3.000},"tracing":{"type":"X-Amzn-Trace-Id","value":"Root=1-a"}}`,
		}},
		{TypeReport, Report{RequestID: "r"}, []string{
			`platform.end {"requestId":"r"}`,
			`platform.report {"requestId":"r","metrics":{"durationMs":0.000,"billedDurationMs":0,"memorySizeMB":0,"maxMemoryUsedMB":0}}`,
		}},
		{TypeExtensionState, Extension{"x", "Ready", nil, "E"}, []string{`platform.extension {"name":"x","state":"Ready","events":[]}`}},
		{TypeTelemetrySubscription, TelemetrySubscription{"x", "Subscribed", []Category{CategoryFunction}}, []string{
			`platform.logsSubscription {"name":"x","state":"Subscribed","types":["function"]}`,
		}},
		{TypeLogsDropped, LogsDropped{ReasonSlowConsumer, 2, 300}, []string{
			`platform.logsDropped {"reason":"` + ReasonBehind + `","droppedRecords":2,"droppedBytes":300}`,
		}},
		{TypeFunction, "line", []string{`function "line"`}},
		{TypeFunction, json.RawMessage(`{"level":"INFO"}`), []string{`function "{\"level\":\"INFO\"}"`}},
		{TypeExtension, "line", []string{`extension "line"`}},
		{"platform.later", json.RawMessage(`{}`), nil},
	}
	for _, test := range tests {
		for schema, newer := range map[Schema]bool{LogsSchema20200815: false, LogsSchema20210318: true} {
			var got, want []string
			for _, ev := range (Event{Time: at, Type: test.typ, Record: test.record}).Forms(schema) {
				encoded, err := ev.Encode(schema)
				if err != nil {
					t.Fatal(err)
				}
				record, ok := strings.CutPrefix(string(encoded), `{"time":"2026-01-02T02:04:05.678Z","type":"`+string(ev.Type)+`","record":`)
				if !ok {
					t.Fatalf("envelope of %s", encoded)
				}
				got = append(got, string(ev.Type)+" "+strings.TrimSuffix(record, "}"))
			}
			for _, form := range test.want {
				if form, only := strings.CutPrefix(form, "+"); newer || !only {
					want = append(want, form)
				}
			}
			if strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("%s in %s:\n got %s\nwant %s", test.typ, schema, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
			}
		}
	}
}

func TestTheTelemetryAPIHasEventsAsTheyAre(t *testing.T) {
	ev := Event{Time: at, Type: TypeReport, Record: Report{RequestID: "r"}}
	for _, schema := range []Schema{Schema20220701, Schema20221213, Schema20250129} {
		if forms := ev.Forms(schema); len(forms) != 1 || forms[0].Type != TypeReport || schema.Logs() {
			t.Errorf("%s: %v", schema, forms)
		}
	}
	if LogsSchema20200815.Valid() || LogsSchema20210318.Valid() || !LogsSchema20200815.Logs() || !LogsSchema20210318.Logs() {
		t.Error("the schemas of the two APIs mix")
	}
}
