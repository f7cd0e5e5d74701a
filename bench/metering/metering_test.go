package metering

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lambent-host/lambent/bench/kernels"
	"github.com/lambent-host/lambent/bench/measure"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// skipWithout skips where there is no compiler for C.
func skipWithout(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, kernels.ErrNoCompiler) {
		t.Skipf("SKIPPED: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestRunReportsEveryKernelAndEngine(t *testing.T) {
	cfg := Config{Rounds: 2, Scale: 0.02, Language: "c", Limit: time.Minute}
	report, err := Run(t.Context(), cfg, nil)
	skipWithout(t, err)
	if len(report.Rows) != 9 || len(report.Means) != 3 || len(report.Modules) != 1 {
		t.Fatalf("%d kernels, %d engines, %d modules", len(report.Rows), len(report.Means), len(report.Modules))
	}
	for _, row := range report.Rows {
		for i, c := range row.Cells {
			if c.Ms.Median <= 0 || c.Ratio.Lowest > c.Ratio.Median || c.Ratio.Median > c.Ratio.Highest || (i == 0 && c.Ratio.Highest != 1) {
				t.Errorf("%s in %s: %+v", row.Name, c.Engine, c)
			}
		}
		// An order of magnitude apart, so that this holds on any machine.
		if !row.Extreme && row.Cells[2].Ratio.Median < row.Cells[1].Ratio.Median {
			t.Errorf("%s: metering costs more than leaving the code in every turn: %+v", row.Name, row.Cells)
		}
	}
	m := report.Modules[0]
	if m.Growth() <= 0 || m.Charges == 0 || m.RewriteMs.Median <= 0 || m.CompileMs.Median <= 0 || m.CompileMeteredMs.Median <= 0 {
		t.Errorf("%+v", m)
	}
	checkWriting(t, report)
}

func checkWriting(t *testing.T, report Report) {
	t.Helper()
	var table, text bytes.Buffer
	if err := errors.Join(report.WriteTable(&table), report.WriteJSON(&text)); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"c sieve", "geometric mean", NameMetered + " / " + NamePlain, "rewriting", "worst"} {
		if !strings.Contains(table.String(), part) {
			t.Errorf("the table does not tell %q:\n%s", part, table.String())
		}
	}
	var back Report
	decoder := json.NewDecoder(&text)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&back); err != nil || len(back.Rows) != len(report.Rows) {
		t.Errorf("read back as %+v, %v", back, err)
	}
}

func TestTheMeanLeavesTheExtremeOut(t *testing.T) {
	engines := []Engine{Plain(), Metered()}
	var r Report
	for name, times := range map[string][]time.Duration{"a": {100, 200}, "b": {100, 50}} {
		r.add(kernels.Kernel{Language: "c", Name: name}, engines, [][]time.Duration{times[:1], times[1:]})
	}
	r.add(kernels.Kernel{Language: "c", Name: "loop", Extreme: true}, engines, [][]time.Duration{{1}, {1000}})
	r.summarize(engines)
	if m := r.Means[1]; m.Geometric != 1 || m.Worst != 2 || m.WorstKernel != "c a" {
		t.Errorf("%+v", m)
	}
}

// wrong is an engine that computes something else.
type wrong struct{ Engine }

func (wrong) Name() string { return "wrong" }
func (w wrong) Load(context.Context, []byte) (Instance, error) {
	return w, nil
}
func (wrong) Call(string, uint64) (uint64, error) { return 1 << 20, nil }
func (wrong) Close() error                        { return nil }

func TestAnEngineThatComputesSomethingElseIsRefused(t *testing.T) {
	cfg := Config{Rounds: 1, Scale: 0.01, Language: "c", Only: []string{"sieve"}, Limit: time.Minute}
	_, err := Run(t.Context(), cfg, nil, wrong{Plain()})
	if errors.Is(err, kernels.ErrNoCompiler) {
		t.Skipf("SKIPPED: %v", err)
	}
	if err == nil || !strings.Contains(err.Error(), "wrong computed 1048576") {
		t.Errorf("error %v", err)
	}
}

func TestRunEndsAtItsLimit(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Limit = time.Nanosecond
	if _, err := Run(t.Context(), cfg, nil); err == nil {
		t.Error("no error")
	}
}

func TestFaultsNameTheirFields(t *testing.T) {
	bad := Config{Rounds: 0, Scale: 0, Language: "cobol", Limit: 0}
	for _, field := range []string{"Rounds", "Scale", "Language", "Limit"} {
		if err := bad.Validate(); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%v does not name %s", err, field)
		}
	}
	none := DefaultConfig()
	none.Only = []string{"nothing"}
	if err := none.Validate(); err == nil || !strings.Contains(err.Error(), "Only") {
		t.Errorf("error %v", err)
	}
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
}

// Both languages have the same kernels.
func TestKernelsOfBothLanguages(t *testing.T) {
	names := map[string][]string{}
	for _, k := range kernels.All {
		if !k.Extreme {
			names[k.Language] = append(names[k.Language], k.Name)
		}
	}
	if !slices.Equal(names["c"], names["go"]) || len(names["c"]) != 8 {
		t.Errorf("%v", names)
	}
}

// BenchmarkKernels is "lambent bench meter" under the go command: ns/op is a run in
// one engine.
func BenchmarkKernels(b *testing.B) {
	root, err := measure.Checkout(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	for _, language := range []string{"c", "go"} {
		wasm, err := kernels.Build(b.Context(), root, language)
		skipWithout(b, err)
		for _, e := range []Engine{Plain(), Metered(), ContextDone()} {
			i, err := e.Load(b.Context(), wasm)
			if err != nil {
				b.Fatal(err)
			}
			for _, k := range kernels.All {
				if k.Language != language {
					continue
				}
				b.Run(strings.Join([]string{language, k.Name, e.Name()}, "/"), func(b *testing.B) {
					for b.Loop() {
						if _, err := i.Call(k.Name, k.Turns); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
			if err := i.Close(); err != nil {
				b.Fatal(err)
			}
		}
	}
}
