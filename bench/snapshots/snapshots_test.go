package snapshots

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lambent-host/lambent/bench/guests"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRunMeasuresEveryKind(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Rounds, cfg.Burst, cfg.Languages, cfg.WarmUp = 3, 2, []string{"c"}, 2
	report, err := Run(t.Context(), cfg, nil)
	if errors.Is(err, guests.ErrNoCompiler) {
		t.Skipf("SKIPPED: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	h := report.Handlers[0]
	if h.SnapshotBytes == 0 || h.CaptureMs <= 0 || h.Seat == nil || h.Seat.RefillUs <= 0 || h.InitToRestore <= 0 {
		t.Errorf("%+v", h)
	}
	for _, kind := range []string{KindInit, KindRestore, KindBurstSeat, KindBurst, KindWarm, KindIsolated, KindReset} {
		row := h.Row(kind)
		if row.Count == 0 || row.Entered.P50 <= 0 || row.Entered.P99 < row.Entered.P50 || row.Answered.P50 < row.Entered.P50 {
			t.Errorf("%s: %+v", kind, row)
		}
	}
	var table, text bytes.Buffer
	if err := errors.Join(report.WriteTable(&table), report.WriteJSON(&text)); err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(text.Bytes(), &back); err != nil || len(back.Handlers) != 1 || back.Handlers[0].Row(KindReset) != h.Row(KindReset) {
		t.Errorf("read back: %+v, %v", back, err)
	}
	if !strings.Contains(table.String(), KindBurst) {
		t.Errorf("%s", table.String())
	}
}

func TestValidateNamesEveryFault(t *testing.T) {
	err := Config{Languages: []string{"cobol"}, Seats: 1000, WarmUp: -1}.Validate()
	if err == nil {
		t.Fatal("accepted")
	}
	for _, field := range []string{"Rounds", "Languages", "MemoryMB", "Seats", "Burst", "WarmUp", "Limit"} {
		if !strings.Contains(err.Error(), "field "+field+":") {
			t.Errorf("%s is not named in %q", field, err)
		}
	}
	if err := (Config{Rounds: 1, MemoryMB: 16, Seats: 1, Burst: 1, Limit: 1}).Validate(); err == nil {
		t.Error("no languages were accepted")
	}
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
}

func TestQuantilesAreNearestRank(t *testing.T) {
	tm := &timing{Kind: "k"}
	for n := range 100 {
		tm.noteDone(time.Duration(100-n) * time.Microsecond)
	}
	if got := tm.row(); got.Entered != (Quantiles{50, 99}) || got.Count != 100 || got.Ready != nil {
		t.Errorf("%+v", got)
	}
}

// BenchmarkSnapshots is a short run for `go test -bench`.
func BenchmarkSnapshots(b *testing.B) {
	cfg := DefaultConfig()
	cfg.Rounds = 20
	for b.Loop() {
		report, err := Run(b.Context(), cfg, nil)
		if errors.Is(err, guests.ErrNoCompiler) {
			b.Skipf("SKIPPED: %v", err)
		}
		if err != nil {
			b.Fatal(err)
		}
		for _, h := range report.Handlers {
			b.ReportMetric(h.Row(KindRestore).Entered.P50, h.Language+"-restore-µs")
			b.ReportMetric(h.Row(KindReset).Entered.P50, h.Language+"-reset-µs")
		}
	}
}
