package density

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/lambent-host/lambent/bench/guests"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRunMeasuresIdleEnvironments(t *testing.T) {
	if _, err := look(); err != nil {
		t.Skipf("SKIPPED: %v", err)
	}
	cfg := DefaultConfig()
	cfg.Environments, cfg.Language = []int{1, 300}, "c"
	report, err := Run(t.Context(), cfg, nil)
	if errors.Is(err, guests.ErrNoCompiler) {
		t.Skipf("SKIPPED: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Rows) != 2 || report.Rows[1].Environments != 300 || report.SnapshotBytes == 0 {
		t.Fatalf("%+v", report)
	}
	// Each environment that kept its mappings would have two.
	if many := report.Rows[1]; many.Again.Mappings > 250 || many.RestoreUs <= 0 || many.AnswerUs <= 0 {
		t.Errorf("%+v", many)
	}
	var table, text bytes.Buffer
	if err := errors.Join(report.WriteTable(&table), report.WriteJSON(&text)); err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(text.Bytes(), &back); err != nil || len(back.Rows) != 2 || back.Rows[1].Again != report.Rows[1].Again {
		t.Errorf("read back: %+v, %v", back, err)
	}
	if !strings.Contains(table.String(), "300") {
		t.Errorf("%s", table.String())
	}
}

func TestValidateNamesEveryFault(t *testing.T) {
	err := Config{Language: "cobol"}.Validate()
	if err == nil {
		t.Fatal("accepted")
	}
	for _, field := range []string{"Environments", "Language", "MemoryMB", "Limit"} {
		if !strings.Contains(err.Error(), "field "+field+":") {
			t.Errorf("%s is not named in %q", field, err)
		}
	}
	if err := (Config{Environments: []int{0}, Language: "c", MemoryMB: 16, Limit: 1}).Validate(); err == nil {
		t.Error("no environments were accepted")
	}
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
}

func TestField(t *testing.T) {
	const text = "Name:\tx\nVmRSSx:\t1 kB\nVmRSS:\t  4711 kB\n"
	if n, err := field([]byte(text), "VmRSS:"); err != nil || n != 4711 {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := field([]byte(text), "VmPTE:"); err == nil {
		t.Error("found what is not there")
	}
}

// BenchmarkDensity is a short run for `go test -bench`.
func BenchmarkDensity(b *testing.B) {
	cfg := DefaultConfig()
	cfg.Environments = []int{1000}
	for b.Loop() {
		report, err := Run(b.Context(), cfg, nil)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(report.Rows[0].Again.RSS)/1000, "KiB/environment")
	}
}
