package main

import (
	"errors"
	"testing"
	"time"

	"github.com/lambent-host/lambent/bench/kernels"
	"github.com/lambent-host/lambent/bench/metering"
)

// Every way of every peer computes what Lambent does, and is in the report.
func TestPeersComputeTheSame(t *testing.T) {
	var engines []metering.Engine
	for _, p := range peers {
		more, err := p.engines()
		if err != nil {
			t.Logf("%s is left out: %v", p.name, err)
		}
		engines = append(engines, more...)
	}
	cfg := metering.Config{Rounds: 1, Scale: 0.01, Language: "c", Limit: time.Minute}
	report, err := metering.Run(t.Context(), cfg, nil, engines...)
	if errors.Is(err, kernels.ErrNoCompiler) {
		t.Skipf("SKIPPED: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Means) != 3+len(engines) {
		t.Errorf("%d engines in the report, want %d", len(report.Means), 3+len(engines))
	}
}
