package deadline

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

func TestRunTriesEachWay(t *testing.T) {
	report, err := Run(t.Context(), Config{Samples: 2, Deadline: 50 * time.Millisecond, Limit: 2 * time.Minute}, nil)
	if errors.Is(err, guests.ErrNoCompiler) {
		t.Skipf("SKIPPED: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Rows) != len(ways) {
		t.Fatalf("%d rows, want %d", len(report.Rows), len(ways))
	}
	for n, row := range report.Rows {
		if row.Way != ways[n].name || row.Samples != 2 || row.P50 < 0 || row.P50 > row.P99 || row.P99 > row.Max || row.Max > 5000 {
			t.Errorf("row %d: %+v", n, row)
		}
	}
	var table, text bytes.Buffer
	if err := errors.Join(report.WriteTable(&table), report.WriteJSON(&text)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(table.String(), "indirect recursion") || !json.Valid(text.Bytes()) {
		t.Errorf("table %s, JSON %s", table.String(), text.String())
	}
}

func TestConfigFaultsAreListedByField(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("the default is refused: %v", err)
	}
	err := Config{}.Validate()
	for _, field := range []string{"Samples", "Deadline", "Limit"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%v does not name %s", err, field)
		}
	}
}
