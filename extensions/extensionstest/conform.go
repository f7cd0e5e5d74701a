package extensionstest

import (
	"strings"
	"testing"

	"github.com/lambent-host/lambent/extensions/conformance"
)

// Option changes how [Conform] tries an extension out.
type Option func(*conformance.Config)

// Env adds variables to the function's environment, "K=V"; {sink} in a value is
// the URL of the played backend (see [conformance.Target]).
func Env(pairs ...string) Option {
	return func(c *conformance.Config) { c.Env = append(c.Env, pairs...) }
}

// SinkEnv names variables that tell the extension the URL of the played backend.
func SinkEnv(names ...string) Option {
	return func(c *conformance.Config) { c.SinkEnv = append(c.SinkEnv, names...) }
}

// Only runs the scenarios with these names and no others.
func Only(scenarios ...string) Option {
	return func(c *conformance.Config) { c.Scenarios = append(c.Scenarios, scenarios...) }
}

// With changes anything else.
func With(change func(*conformance.Config)) Option { return change }

// Conform tries an executable out in all scenarios of package conformance, as
// "lambent extension test" does, each a subtest of t: one that fails tells what was
// expected, what was seen and what the extension wrote; one that does not apply is
// skipped with the reason.
//
// The extension runs isolated, as on Lambda, where the machine may do that and the
// package's TestMain begins with place.ExitIfChild; elsewhere it runs on the
// machine itself, and must not run beside another that uses the same ports.
func Conform(t *testing.T, executable string, options ...Option) *conformance.Report {
	t.Helper()
	cfg := conformance.Config{Target: conformance.Target{Executables: []string{executable}}}
	for _, option := range options {
		option(&cfg)
	}
	cfg.End = func(r conformance.Result) {
		t.Run(r.Name, func(t *testing.T) { judge(t, r) })
	}
	report, err := conformance.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// judge turns a result into that of a test.
func judge(t testing.TB, r conformance.Result) {
	t.Helper()
	for _, f := range r.Figures {
		t.Log(f)
	}
	switch r.Outcome {
	case conformance.Skip:
		t.Skip(r.Seen)
	case conformance.Fail:
		t.Errorf("tried: %s\nexpected: %s\nseen: %s\n%s", r.What, r.Expect, r.Seen, strings.Join(r.Output, "\n"))
	default:
		t.Log(r.Seen)
	}
}
