package hog

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lambent-host/lambent/host"
	"github.com/lambent-host/lambent/sandbox/publish"
)

func TestMain(m *testing.M) {
	publish.ExitIfChild()
	if code := m.Run(); code != 0 {
		os.Exit(code)
	}
	if err := goleak.Find(); err != nil {
		panic(err)
	}
}

func TestRunMeasuresEachNumberOfSpinners(t *testing.T) {
	cfg := Config{
		Spinners: []int{0, 3}, Quota: host.QuotaLambda, Interval: 20 * time.Millisecond, Settle: time.Second,
		Duration: time.Second, MemoryMB: 128, Limit: 5 * time.Minute,
	}
	report, err := Run(t.Context(), cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Rows) != 2 || report.Rows[0].Spinners != 0 || report.Rows[1].Spinners != 3 {
		t.Fatalf("rows %+v", report.Rows)
	}
	for _, row := range report.Rows {
		if row.Requests < 2 || row.Requests > 50 || row.P50 <= 0 || row.P50 > row.P99 || row.P99 > row.Max {
			t.Errorf("%+v", row)
		}
	}
	var table, text bytes.Buffer
	if err := errors.Join(report.WriteTable(&table), report.WriteJSON(&text)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(table.String(), "CPU quota lambda") || !json.Valid(text.Bytes()) {
		t.Errorf("table %s, JSON %s", table.String(), text.String())
	}
}

func TestQuantilesOfWhatWasAdded(t *testing.T) {
	before := &metrics.Float64Histogram{Counts: []uint64{5, 5, 5}, Buckets: []float64{0, 1, 2, 3}}
	after := &metrics.Float64Histogram{Counts: []uint64{95, 14, 6}, Buckets: before.Buckets}
	added := subtract(after, before)
	for q, want := range map[float64]float64{0.5: 1, 0.9: 1, 0.95: 2, 0.99: 2, 1: 3} {
		if got := quantile(added, q); got != want {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	if got := quantile(subtract(after, after), 0.5); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
}

func TestConfigFaultsAreListedByField(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("the default is refused: %v", err)
	}
	err := Config{Spinners: []int{-1}, Settle: -1}.Validate()
	for _, field := range []string{"Spinners", "Quota", "Interval", "Settle", "MemoryMB", "Limit"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%v does not name %s", err, field)
		}
	}
}
