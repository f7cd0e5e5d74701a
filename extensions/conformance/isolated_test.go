package conformance

import (
	"strings"
	"testing"

	"github.com/lambent-host/lambent/extensions/place"
)

// TestIsolated tries extensions out where each environment has a network of its
// own: the sink is reached through the way out, and two environments can use one
// port.
func TestIsolated(t *testing.T) {
	if _, err := place.New(t.Context(), place.Config{Isolation: place.Full}); err != nil {
		t.Skipf("this machine makes no namespaces: %v", err)
	}
	cfg := actor(t, "settler")
	cfg.Isolation = place.Full
	cfg.Scenarios = []string{
		"register", "invocations", "redelivery", "sink-data", "sink-slow", "sink-errors", "sink-down", "sink-hangs", "sink-returns",
		"shutdown", "sigterm", "leftovers", "restart", "two-environments", "memory",
	}
	report := try(t, cfg)
	for _, r := range report.Results {
		if r.Outcome != Pass {
			t.Errorf("%s: %s, %s\n%s", r.Name, r.Outcome, r.Seen, strings.Join(r.Output, "\n"))
		}
		if r.Name == "two-environments" && !strings.HasPrefix(r.Seen, "each on a network of its own, as on Lambda, both worked") {
			t.Errorf("two environments: %s", r.Seen)
		}
	}
	if report.Place != "isolated (full)" {
		t.Errorf("place %q", report.Place)
	}
}

// TestNotIsolated has a machine that makes no namespaces: the run goes on, and says
// so; where they were insisted on, it does not.
func TestNotIsolated(t *testing.T) {
	cfg := actor(t, "settler")
	cfg.own = cannot
	cfg.Isolation, cfg.Scenarios = place.Auto, []string{"invoke", "two-environments"}
	report := try(t, cfg)
	if report.Failed() || !strings.Contains(report.Place, "not isolated: not here") {
		t.Error(report.Summary())
	}
	if r := report.Results[1]; r.Outcome != Skip || !strings.Contains(r.Seen, "address already in use") && !strings.Contains(r.Seen, "did not start") {
		t.Errorf("two environments: %s, %s", r.Outcome, r.Seen)
	}
	cfg.Isolation = place.Full
	if _, err := Run(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "not here") {
		t.Errorf("insisted: %v", err)
	}
}
