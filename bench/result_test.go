package bench

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lambent-host/lambent/host/lambdaapi"
)

func TestMergeKeepsEveryLatencyInOrder(t *testing.T) {
	got := merge([]Result{newResult([]time.Duration{5, 1}, 6), newResult([]time.Duration{3}, 4)})
	if !slices.Equal(got.Latencies, []time.Duration{1, 3, 5}) || got.Elapsed != 10 {
		t.Errorf("merged to %+v", got)
	}
}

// Ratios are made within rounds: a machine that is twice as slow in one round
// changes none.
func TestRatiosAreMadeWithinARound(t *testing.T) {
	round := func(d time.Duration) Result { return newResult([]time.Duration{d, d}, 2*d) }
	rounds := map[string][]Result{
		Cold: {round(20 * time.Millisecond), round(40 * time.Millisecond)}, Warm: {round(2 * time.Millisecond), round(4 * time.Millisecond)},
		Ceiling:    {round(time.Millisecond), round(2 * time.Millisecond)},
		WarmLoaded: {round(8), round(8)}, CeilingLoaded: {round(4), round(2)},
	}
	var r Report
	r.summarize([]scenario{{name: Cold, concurrency: 1}, {name: Warm, concurrency: 1}}, rounds)
	want := map[string][3]float64{
		"cold/warm p50": {10, 10, 10}, "cold/warm p99": {10, 10, 10},
		"warm/ceiling p50": {2, 2, 2}, "warm/ceiling requests per second": {0.5, 0.5, 0.5},
		"warm, loaded/ceiling, loaded p99": {3, 2, 4},
	}
	for _, x := range r.Ratios {
		name := x.Of + "/" + x.To + " " + x.Figure
		if w, ok := want[name]; ok && [3]float64{x.Median, x.Lowest, x.Highest} != w {
			t.Errorf("%s is %v, want %v", name, x.Spread, w)
		}
		delete(want, name)
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
	if r.Rows[0].PerSecond != nil || r.Rows[1].PerSecond == nil {
		t.Error("cold requests have no throughput, warm ones have")
	}
}

func TestConfigFaultsAreListedByField(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("the default is refused: %v", err)
	}
	err := Config{Warmup: -1, Concurrency: 1 << 20}.Validate()
	if err == nil {
		t.Fatal("nothing is wrong with it")
	}
	for _, field := range []string{"Rounds", "Requests", "Cold", "Warmup", "Concurrency", "Function", "MemoryMB", "Limit"} {
		if !strings.Contains(err.Error(), field+": ") {
			t.Errorf("%q does not name %s", err, field)
		}
	}
	big := DefaultConfig()
	big.Rounds, big.Requests = maxRounds, maxRequests
	if err := big.Validate(); err == nil {
		t.Error("a billion requests were accepted")
	}
	if _, err := Run(t.Context(), Config{}, nil); err == nil {
		t.Error("Run takes a configuration that Validate refuses")
	}
}

func TestReportIsReadFromTheLog(t *testing.T) {
	const warm = "END RequestId: r\nREPORT RequestId: r\tDuration: 1.25 ms\tBilled Duration: 6 ms\tMemory Size: 128 MB"
	for _, c := range []struct {
		log  string
		want reported
		ok   bool
	}{
		{warm, reported{function: 1250 * time.Microsecond}, true},
		{warm + "\tInit Duration: 4.5 ms\t\n", reported{function: 1250 * time.Microsecond, init: 4500 * time.Microsecond, cold: true}, true},
		{warm + "\tInit Duration: 0.00 ms", reported{function: 1250 * time.Microsecond, cold: true}, true},
		{"REPORT RequestId: r\tBilled Duration: 6 ms", reported{}, false},
		{"", reported{}, false},
	} {
		header := http.Header{lambdaapi.HeaderLogResult: {base64.StdEncoding.EncodeToString([]byte(c.log))}}
		got, err := readReport(header)
		if got != c.want || (err == nil) != c.ok {
			t.Errorf("%q: %+v, %v; want %+v", c.log, got, err, c.want)
		}
	}
	if _, err := readReport(http.Header{lambdaapi.HeaderLogResult: {"?"}}); err == nil {
		t.Error("a log that is not base64 passes")
	}
}

// A host that answers from a warm environment must not count as cold.
func TestColdRefusesAWarmInvocation(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.Header().Set(lambdaapi.HeaderLogResult, base64.StdEncoding.EncodeToString([]byte("REPORT\tDuration: 1 ms")))
			return
		}
		_, _ = w.Write([]byte(`{"State":"Active","LastUpdateStatus":"Successful"}`))
	}))
	defer server.Close()
	_, err := RunCold(t.Context(), ColdConfig{Endpoint: server.URL, Function: "f", Requests: 1})
	if !errors.Is(err, errNotCold) {
		t.Errorf("error %v, want %v", err, errNotCold)
	}
}

func TestPayloadIsAKilobyteOfJSON(t *testing.T) {
	payload := Order()
	if !json.Valid(payload) || len(payload) < 900 || len(payload) > 1200 || !bytes.Equal(payload, Order()) {
		t.Errorf("%d bytes: %s", len(payload), payload)
	}
}
