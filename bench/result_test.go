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

	"pgregory.net/rapid"

	"github.com/lambent-host/lambent/host/lambdaapi"
)

func TestPercentileIsNearestRank(t *testing.T) {
	ten := []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	for _, c := range []struct {
		of   []float64
		p    float64
		want float64
	}{
		{nil, 50, 0},
		{[]float64{7}, 1, 7},
		{[]float64{7}, 100, 7},
		{ten, 50, 5},
		{ten, 51, 6},
		{ten, 90, 9},
		{ten, 99, 10},
		{ten, 100, 10},
		{ten, 0.001, 1},
	} {
		if got := percentile(c.of, c.p); got != c.want {
			t.Errorf("percentile %v of %v is %v, want %v", c.p, c.of, got, c.want)
		}
	}
}

// The definition: at least p percent of the values do not exceed the
// percentile, and with the next smaller value fewer would not.
func TestPercentileHoldsItsDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(0, 100), 1, 60).Draw(t, "values")
		p := rapid.Float64Range(0.1, 100).Draw(t, "p")
		slices.Sort(values)
		got := percentile(values, p)
		upTo, below := 0, 0
		for _, v := range values {
			if v <= got {
				upTo++
			}
			if v < got {
				below++
			}
		}
		need := p / 100 * float64(len(values))
		if float64(upTo) < need-1e-9 || float64(below) >= need+1e-9 {
			t.Fatalf("percentile %v of %v is %v: %d values up to it, %d below, %v needed", p, values, got, upTo, below, need)
		}
	})
}

func TestSpreadIsMedianAndRange(t *testing.T) {
	for _, c := range []struct {
		of   []float64
		want Spread
	}{
		{[]float64{3}, Spread{3, 3, 3}},
		{[]float64{9, 1}, Spread{5, 1, 9}},
		{[]float64{9, 1, 2}, Spread{2, 1, 9}},
		{[]float64{4, 3, 2, 1}, Spread{2.5, 1, 4}},
	} {
		before := slices.Clone(c.of)
		if got := spreadOf(c.of); got != c.want {
			t.Errorf("spread of %v is %v, want %v", c.of, got, c.want)
		}
		if !slices.Equal(before, c.of) {
			t.Errorf("the values were reordered: %v", c.of)
		}
	}
}

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
	want := map[string]Spread{
		"cold/warm p50": {10, 10, 10}, "cold/warm p99": {10, 10, 10},
		"warm/ceiling p50": {2, 2, 2}, "warm/ceiling requests per second": {0.5, 0.5, 0.5},
		"warm, loaded/ceiling, loaded p99": {3, 2, 4},
	}
	for _, x := range r.Ratios {
		name := x.Of + "/" + x.To + " " + x.Figure
		if w, ok := want[name]; ok && x.Spread != w {
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
	payload := order()
	if !json.Valid(payload) || len(payload) < 900 || len(payload) > 1200 || !bytes.Equal(payload, order()) {
		t.Errorf("%d bytes: %s", len(payload), payload)
	}
}

func TestCPUModel(t *testing.T) {
	const two = "processor\t: 0\nmodel name\t: Fast One @ 3 GHz\n\nprocessor\t: 1\nmodel name\t: Other\n"
	if got := cpuModel([]byte(two)); got != "Fast One @ 3 GHz" {
		t.Errorf("got %q", got)
	}
	if got := cpuModel([]byte("Hardware\t: X")); got != "" {
		t.Errorf("got %q where there is none", got)
	}
	if got := firstFields("0.1 0.2 0.3 1/200 77", 3); got != "0.1 0.2 0.3" {
		t.Errorf("load average %q", got)
	}
}
