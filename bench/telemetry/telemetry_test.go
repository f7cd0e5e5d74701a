package telemetry

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lambent-host/lambent/bench/measure"
	"github.com/lambent-host/lambent/extensions"
	"github.com/lambent-host/lambent/extensions/place"
	"github.com/lambent-host/lambent/sandbox/publish"
)

func TestMain(m *testing.M) {
	place.ExitIfChild()
	publish.ExitIfChild()
	if code := m.Run(); code != 0 {
		os.Exit(code)
	}
	if err := goleak.Find(); err != nil {
		panic(err)
	}
}

// TestRunMeasuresEveryWayToSubscribe runs all of it, small.
func TestRunMeasuresEveryWayToSubscribe(t *testing.T) {
	cfg := Config{Function: "echo", Rounds: 2, Requests: 30, Concurrency: 2, Many: 3, Events: 20_000, Limit: 5 * time.Minute}
	report, err := Run(t.Context(), cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Loads) != len(cases(3)) || len(report.Bus) != 3 || len(report.HTTP) != deliveryRounds {
		t.Fatalf("%+v", report)
	}
	for _, l := range report.Loads {
		if len(l.PerSecond) != 2 || l.PerSecond[0] <= 0 || l.Ratio.Median <= 0 {
			t.Errorf("%s: %+v", l.Case, l)
		}
		if l.Taking.Unbalanced+l.Hanging.Unbalanced > 0 {
			t.Errorf("%s: events that are not accounted for: %+v %+v", l.Case, l.Taking, l.Hanging)
		}
		// A request has three events at least; the one that hangs gets nothing and
		// takes nothing from the other.
		taking := len(l.Extensions)
		if strings.Contains(l.Case, "hangs") {
			taking--
			if l.Hanging.Delivered != 0 || l.Hanging.Published == 0 {
				t.Errorf("%s: %+v", l.Case, l.Hanging)
			}
		}
		if l.Taking.Dropped+l.Taking.Left > 0 || l.Taking.Delivered < int64(3*2*30*taking) {
			t.Errorf("%s: %+v", l.Case, l.Taking)
		}
	}
	for _, h := range report.HTTP {
		if h.Events < cfg.Events || h.PerSecond <= 0 || h.PlainPerSecond <= 0 {
			t.Errorf("%+v", h)
		}
	}
	var table, text bytes.Buffer
	if err := errors.Join(report.WriteTable(&table), report.WriteJSON(&text)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(table.String(), "one that hangs") || !json.Valid(text.Bytes()) {
		t.Errorf("table %s, JSON %s", table.String(), text.String())
	}
}

func TestAccountsAreSummedApart(t *testing.T) {
	st := &stage{}
	st.settled(extensions.Account{Extension: "observe0", Published: 5, Delivered: 5})
	st.settled(extensions.Account{Extension: "hang0", Published: 5, Left: 5})
	st.settled(extensions.Account{Extension: "observe1", Published: 5, Delivered: 4})
	st.account()
	if st.Taking.Published != 10 || st.Taking.Unbalanced != 1 || st.Hanging.Left != 5 || st.Hanging.Unbalanced != 0 {
		t.Errorf("%+v, hanging %+v", st.Taking, st.Hanging)
	}
}

func TestRatiosAreOfOneRound(t *testing.T) {
	r := &Report{Loads: []Load{{PerSecond: []float64{100, 200}}, {PerSecond: []float64{90, 190}}}}
	r.compare()
	if want := (measure.Spread{Median: 0.925, Lowest: 0.9, Highest: 0.95}); r.Loads[1].Ratio != want {
		t.Errorf("%+v, want %+v", r.Loads[1].Ratio, want)
	}
}

func TestConfigFaultsAreListedByField(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("the default is refused: %v", err)
	}
	err := Config{Function: "hello", Many: 11}.Validate()
	for _, field := range []string{"Function", "Rounds", "Requests", "Concurrency", "Many", "Events", "Limit"} {
		if err == nil || !strings.Contains(err.Error(), "field "+field) {
			t.Errorf("%v does not name %s", err, field)
		}
	}
}
