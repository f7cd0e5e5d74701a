package share

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRunMeasuresEachMemorySizeAndNumber(t *testing.T) {
	cfg := Config{MemoryMB: []int{256, 1024}, Guests: []int{1, 3}, Duration: 300 * time.Millisecond, Limit: 5 * time.Minute}
	report, err := Run(t.Context(), cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Rows) != 4 {
		t.Fatalf("%d rows, want 4", len(report.Rows))
	}
	for n, want := range [][2]int{{1, 256}, {1, 1024}, {3, 256}, {3, 1024}} {
		row := report.Rows[n]
		if row.Guests != want[0] || row.MemoryMB != want[1] || len(row.Got) != row.Guests || row.Got[0] <= 0 {
			t.Errorf("row %d is %+v, want %v", n, row, want)
		}
		// Less may be the machine's fault; more is not.
		if most := row.Got[len(row.Got)-1]; most > row.Owed*1.5 {
			t.Errorf("%d MB got %.3f CPUs, owed %.3f", row.MemoryMB, most, row.Owed)
		}
	}
	var table, text, picture bytes.Buffer
	if err := errors.Join(report.WriteTable(&table), report.WriteJSON(&text), report.WritePlot(&picture)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(table.String(), "1024") || !json.Valid(text.Bytes()) {
		t.Errorf("table %s, JSON %s", table.String(), text.String())
	}
	circles := 0
	for d := xml.NewDecoder(&picture); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the picture is not XML: %v", err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "circle" {
			circles++
		}
	}
	if circles != 1+1+3+3+2 { // the guests, and the legend
		t.Errorf("%d points", circles)
	}
}

func TestRowsTellWhatWasExpected(t *testing.T) {
	for _, c := range []struct {
		name string
		mb   int
		got  []float64
		want Row
	}{
		{"kept", 177, []float64{0.1, 0.101}, Row{Expected: 177.0 / 1769, Off: 0.0094}},
		{"one is short", 1769, []float64{1, 0.98}, Row{Expected: 1, Off: 0.02}},
		{"all are short", 1769, []float64{0.2, 0.3}, Row{Expected: 0.25, Off: 0.2, Short: true}},
		{"more than a CPU is one", 5000, []float64{1}, Row{Expected: 1}},
	} {
		got := rowOf(c.mb, c.got)
		if diff := got.Off - c.want.Off; got.Expected != c.want.Expected || got.Short != c.want.Short || diff > 0.001 || diff < -0.001 {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestConfigFaultsAreListedByField(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("the default is refused: %v", err)
	}
	err := Config{MemoryMB: []int{1}, Guests: []int{0}}.Validate()
	for _, field := range []string{"MemoryMB", "Guests", "Duration", "Limit"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%v does not name %s", err, field)
		}
	}
}
