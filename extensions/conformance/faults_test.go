package conformance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lambent-host/lambent/extensions/place"
)

// brief is a deadline that an extension is going to miss; it has to be long
// enough for everything before on a machine that has other things to do.
const brief = 1500 * time.Millisecond

// vice is an extension that a scenario has to find fault with.
type vice struct {
	actor, scenario string
	config          func(*Config) // may be nil
	seen            string        // part of what is reported
}

var vices = []vice{
	{"crash", "register", nil, "Extension.Crash: exit status 3"},
	{"mute", "register", shortInit, "mute is Started: context deadline exceeded"},
	{"misnamed", "register", shortInit, `it registered as ["not-misnamed"]; the name of its file is ["misnamed"]`},
	{"neverpoll", "first-next", shortInit, "neverpoll is Registered"},
	{"initcrash", "first-next", nil, "Extension.Crash"},
	{"initerror", "cold-init", nil, "Extension.NoSuchKey"},
	{"pushy", "calls", nil, "SubscriptionClosed"},
	{"refusing", "early-events", nil, "platform.initStart did not arrive: "},
	{"hang", "invoke", shortInvoke, "hang is Running"},
	{"midcrash", "invoke", nil, "Extension.Crash"},
	{"tiring", "invocations", nil, "Extension.Crash: exit status 4"},
	{"prejudiced", "function-error", nil, "exit status 4"},
	{"sulky", "function-crash", shortShutdown, "still running at the end of the budget"},
	{"sulky", "function-timeout", shortShutdown, "still running at the end of the budget"},
	{"overwhelmed", "log-burst", nil, "exit status 4"},
	{"shortsighted", "huge-line", nil, "exit status 4"},
	{"naive", "odd-lines", nil, "exit status 4"},
	{"picky", "unended-line", nil, "exit status 4"},
	{"strict", "unknown-events", nil, "exit status 4"},
	{"once", "redelivery", nil, "exit status 4"},
	{"good", "sink-data", nil, "nothing arrived at the sink"},
	{"dependent", "sink-slow", func(c *Config) { c.InvokeTimeout = slowAnswer * 9 / 10 }, "dependent is Running"},
	{"dependent", "sink-errors", nil, "exit status 1"},
	{"dependent", "sink-down", nil, "exit status 1"},
	{"dependent", "sink-hangs", shortInvoke, "dependent is Running"},
	{"dependent", "sink-returns", nil, "exit status 1"},
	{"undead", "shutdown", shortShutdown, "was killed"},
	{"badexit", "shutdown", nil, "badexit ended with exit status 5"},
	{"undead", "shutdown-at-once", shortShutdown, "was killed"},
	{"expectant", "quiet-end", shortShutdown, "was killed"},
	{"deserter", "shutdown-unasked", nil, "left behind: sleep"},
	{"limbo", "sigterm", shortInvoke, "neither ended nor went on"},
	{"careless", "leftovers", nil, "children that nobody waited for: true"},
	{"forking", "leftovers", nil, "left behind: sleep"},
	{"stubborn", "register-refused", nil, "still running after 5s and 1 tries"},
	{"patient", "api-broken", shortInvoke, "still running after 5s, and had called next 1 times"},
	{"literal", "resubscribe", nil, "exit status 4"},
	{"littering", "restart", nil, "environment 1 of 3"},
	{"exclusive", "two-environments", noMoreThanLoopback, "each on a network of its own: environment 2 did not start"},
	{"hoarder", "memory", nil, "resident memory grew by"},
	{"leaky", "descriptors", nil, "open files grew by"},
}

// noMoreThanLoopback has a machine that gives each environment what it says is a
// network of its own.
func noMoreThanLoopback(c *Config) {
	c.own = func(context.Context, place.Isolation, *sink) (where, error) { return loopback, nil }
}

// cannot is a machine that makes no namespaces.
func cannot(context.Context, place.Isolation, *sink) (where, error) {
	return where{}, errors.New("not here")
}

func shortInit(c *Config)     { c.InitTimeout = brief }
func shortInvoke(c *Config)   { c.InvokeTimeout = brief }
func shortShutdown(c *Config) { c.ShutdownBudget = brief }

// TestEveryScenarioCanFail shows each scenario an extension with the fault that
// it looks for, and has it found, with nothing left running.
func TestEveryScenarioCanFail(t *testing.T) {
	found := map[string]bool{}
	for _, v := range vices {
		found[v.scenario] = true
		t.Run(v.scenario+"/"+v.actor, func(t *testing.T) {
			t.Parallel()
			cfg := actor(t, v.actor)
			cfg.Scenarios = []string{v.scenario}
			if v.config != nil {
				v.config(&cfg)
			}
			report := try(t, cfg)
			result := report.Results[0]
			if strings.HasPrefix(result.Seen, "not tried") {
				t.Fatalf("the scenario was not tried: %s", result.Seen)
			}
			if result.Outcome != Fail || !strings.Contains(result.Seen, v.seen) || !report.Failed() {
				t.Errorf("%s: %s\nwant a failure with %q\n%s", result.Outcome, result.Seen, v.seen, strings.Join(result.Output, "\n"))
			}
		})
	}
	for _, s := range Scenarios() {
		if !found[s.Name] {
			t.Errorf("nothing shows that %s can fail", s.Name)
		}
	}
}

// TestGoodExtensions passes those that do all that is asked, and skips only what
// does not apply.
func TestGoodExtensions(t *testing.T) {
	for name, skipped := range map[string][]string{
		"citizen": {"shutdown-unasked"},
		"good": {
			"early-events", "log-burst", "huge-line", "odd-lines", "unended-line", "unknown-events", "redelivery", "sink-data",
			"sink-slow", "sink-errors", "sink-down", "sink-hangs", "sink-returns", "quiet-end", "shutdown-unasked", "resubscribe",
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := actor(t, name)
			if name == "good" {
				cfg.SinkEnv = nil
			}
			report := try(t, cfg)
			var got []string
			for _, r := range report.Results {
				switch r.Outcome {
				case Fail:
					t.Errorf("%s: %s\n%s", r.Name, r.Seen, strings.Join(r.Output, "\n"))
				case Skip:
					got = append(got, r.Name)
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(skipped) {
				t.Errorf("skipped %q, want %q", got, skipped)
			}
			if report.Failed() || report.Count(Pass) != len(Scenarios())-len(skipped) {
				t.Error(report.Summary())
			}
		})
	}
}

// TestAFailureIsToldOnce has an extension that does not start: what cannot be
// tried then is skipped, and a single scenario asked for fails nevertheless.
func TestAFailureIsToldOnce(t *testing.T) {
	report := try(t, actor(t, "crash"))
	for _, r := range report.Results {
		if needy := len(r.needs) > 0; needy != (r.Outcome == Skip) {
			t.Errorf("%s: %s, %s", r.Name, r.Outcome, r.Seen)
		}
	}
	cfg := actor(t, "crash")
	cfg.Scenarios = []string{"shutdown", "memory"}
	report = try(t, cfg)
	if len(report.Results) != 2 || report.Results[0].Outcome != Fail || report.Results[1].Outcome != Skip ||
		!strings.Contains(report.Results[0].Seen, "Extension.Crash") {
		t.Errorf("%+v", report.Results)
	}
}
