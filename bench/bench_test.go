package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lambent-host/lambent/bench/measure"
	"github.com/lambent-host/lambent/sandbox/publish"
)

func TestMain(m *testing.M) {
	publish.ExitIfChild()
	goleak.VerifyTestMain(m)
}

// small is a run of a few requests. Compiled modules are kept over runs: a Go
// module takes seconds to compile.
func small(t testing.TB) Config {
	t.Helper()
	cfg := Config{Rounds: 2, Requests: 30, Cold: 2, Warmup: 10, Concurrency: 3, Function: "json", MemoryMB: 128, Limit: 5 * time.Minute}
	if dir, err := os.UserCacheDir(); err == nil {
		cfg.CompileCacheDir = filepath.Join(dir, "lambent-test", "compiled")
	}
	return cfg
}

func TestRunReportsEveryScenario(t *testing.T) {
	cfg := small(t)
	var steps []string
	report, err := Run(t.Context(), cfg, func(step string) { steps = append(steps, step) })
	if err != nil {
		t.Fatal(err)
	}
	checkRows(t, cfg, report)
	checkJSON(t, report)
	checkTable(t, report)
	if first, last := steps[0], steps[len(steps)-1]; !strings.Contains(first, folder(cfg.Function)) || !strings.Contains(last, "round 2 of 2: "+Cold) {
		t.Errorf("progress went from %q to %q; the second round is in reverse", first, last)
	}
}

func checkRows(t *testing.T, cfg Config, report Report) {
	t.Helper()
	want := map[string]int{
		Cold: cfg.Rounds * cfg.Cold, Warm: cfg.Rounds * cfg.Requests, Ceiling: cfg.Rounds * cfg.Requests,
		WarmLoaded: cfg.Rounds * cfg.Requests, CeilingLoaded: cfg.Rounds * cfg.Requests,
	}
	p50 := map[string]float64{}
	for _, row := range report.Rows {
		if row.Requests != want[row.Scenario] {
			t.Errorf("%s: %d requests, want %d", row.Scenario, row.Requests, want[row.Scenario])
		}
		delete(want, row.Scenario)
		l := row.Latency
		if l.P50 <= 0 || l.P50 > l.P90 || l.P90 > l.P99 || l.P99 > l.Max {
			t.Errorf("%s: latencies are out of order: %+v", row.Scenario, l)
		}
		p50[row.Scenario] = l.P50
		// What the host reports is part of what the client sees.
		asked := row.Scenario == Cold || row.Scenario == Warm
		if (row.FunctionMs > 0) != asked || row.FunctionMs > l.Max || (row.InitMs > 0) != (row.Scenario == Cold) || row.InitMs > l.Max {
			t.Errorf("%s: init %v ms and function %v ms of at most %v", row.Scenario, row.InitMs, row.FunctionMs, l.Max)
		}
	}
	if len(want) > 0 {
		t.Errorf("missing scenarios: %v", want)
	}
	// Orders of magnitude apart, so that this holds on any machine.
	if p50[Cold] <= p50[Warm] {
		t.Errorf("a cold start of %v ms is no slower than a warm invocation of %v ms", p50[Cold], p50[Warm])
	}
}

func checkJSON(t *testing.T, report Report) {
	t.Helper()
	var text bytes.Buffer
	if err := report.WriteJSON(&text); err != nil {
		t.Fatal(err)
	}
	var back Report
	decoder := json.NewDecoder(&text)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&back); err != nil {
		t.Fatal(err)
	}
	if len(back.Rows) != 5 || len(back.Ratios) != 8 || back.Machine.GoVersion == "" || back.Config != report.Config ||
		back.Setup.ModuleBytes == 0 || back.Setup.Publish <= 0 || back.Took <= 0 {
		t.Errorf("read back as %+v", back)
	}
}

func checkTable(t *testing.T, report Report) {
	t.Helper()
	var text bytes.Buffer
	if err := report.WriteTable(&text); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{report.Machine.GoVersion, "GOMAXPROCS", folder(report.Config.Function), "p99 ms", Cold, WarmLoaded, CeilingLoaded, "cold / warm", "warm / ceiling", "requests per second"} {
		if !strings.Contains(text.String(), part) {
			t.Errorf("the table does not tell %q:\n%s", part, text.String())
		}
	}
}

func TestRunEndsAtItsLimitAndLeavesNothing(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	cfg := small(t)
	cfg.Limit = time.Millisecond
	if _, err := Run(t.Context(), cfg, nil); err == nil || !strings.Contains(err.Error(), "longer than 1ms") {
		t.Errorf("error %v, want one that tells the limit", err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestTheEmptyFunctionCanBeMeasured(t *testing.T) {
	cfg := small(t)
	cfg.Function, cfg.Rounds, cfg.Cold = "echo", 1, 1
	report, err := Run(t.Context(), cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	if s := report.Setup; s.AnswerBytes != s.PayloadBytes {
		t.Errorf("%d bytes in, %d out of an echo", s.PayloadBytes, s.AnswerBytes)
	}
}

func TestOutsideACheckoutTheErrorSaysSo(t *testing.T) {
	t.Chdir(t.TempDir())
	if _, err := Run(t.Context(), small(t), nil); err == nil || !strings.Contains(err.Error(), "checkout") {
		t.Errorf("error %v, want one about the checkout", err)
	}
}

// The benchmarks run the scenarios of "lambent bench" one at a time; ns/op is
// the time of a request for the cold ones, of the whole for the others.

func BenchmarkCold(b *testing.B) {
	st := openBenchStage(b)
	measureOnce(b, func() (Result, error) {
		return RunCold(b.Context(), ColdConfig{Endpoint: st.endpoint(), Function: functionName, Payload: st.payload, Requests: b.N})
	})
}

func BenchmarkWarm(b *testing.B) {
	st := openBenchStage(b)
	measureLoad(b, st, st.warmURL())
}

func BenchmarkCeiling(b *testing.B) {
	st := openBenchStage(b)
	measureLoad(b, st, st.ceiling.URL())
}

func openBenchStage(b *testing.B) *stage {
	b.Helper()
	st, err := openStage(b.Context(), small(b), func(string) {})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := st.close(context.WithoutCancel(b.Context())); err != nil {
			b.Error(err)
		}
	})
	return st
}

func measureLoad(b *testing.B, st *stage, url string) {
	b.Helper()
	for _, concurrency := range []int{1, DefaultConfig().Concurrency} {
		b.Run(fmt.Sprintf("%d-at-a-time", concurrency), func(b *testing.B) {
			measureOnce(b, func() (Result, error) {
				return RunLoad(b.Context(), LoadConfig{
					URL: url, Payload: st.payload, Want: st.answer,
					Warmup: DefaultConfig().Warmup, Requests: b.N, Concurrency: concurrency,
				})
			})
		})
	}
}

// measure reports the scenario's own time, without warm-up and updates.
func measureOnce(b *testing.B, run func() (Result, error)) {
	b.Helper()
	result, err := run()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(result.Elapsed.Nanoseconds())/float64(b.N), "ns/op")
	b.ReportMetric(measure.Milliseconds(result.Percentile(50)), "p50-ms")
	b.ReportMetric(measure.Milliseconds(result.Percentile(99)), "p99-ms")
}
