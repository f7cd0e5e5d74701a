package conformance

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Scenario is one thing that is tried.
type Scenario struct {
	// Name is what it is chosen by.
	Name string
	// What is done, and what is Expected of the extension then; each one sentence.
	What, Expect string

	// needs are what the extension must have shown in a normal life for the
	// scenario to say anything; what it lacks is why the scenario is skipped.
	needs []need
	run   func(ctx context.Context, b *Bench) Verdict
}

// need returns why there is nothing to be tried, or "".
type need func(traits) string

// Outcome is how a scenario ended.
type Outcome string

// The outcomes. A scenario that does not apply is skipped and never passes.
const (
	Pass Outcome = "pass"
	Fail Outcome = "fail"
	Skip Outcome = "skip"
)

// Verdict is what a scenario found.
type Verdict struct {
	Outcome Outcome
	// Seen is what happened, one or more sentences; for a skip it is the reason.
	Seen string
	// Figures that were measured on the way.
	Figures []Figure
}

// Figure is a number that was measured.
type Figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
}

// String writes the figure with its unit.
func (f Figure) String() string {
	if f.Unit == unitMs {
		return fmt.Sprintf("%s %.2f %s", f.Name, f.Value, f.Unit)
	}
	return fmt.Sprintf("%s %.0f %s", f.Name, f.Value, f.Unit)
}

// Units of figures.
const (
	unitMs    = "ms"
	unitKiB   = "KiB"
	unitCount = "count"
)

func ms(name string, d time.Duration) Figure {
	return Figure{name, float64(d.Microseconds()) / 1000, unitMs}
}

func count[T int | int64](name string, n T) Figure { return Figure{name, float64(n), unitCount} }

func pass(format string, args ...any) Verdict {
	return Verdict{Outcome: Pass, Seen: fmt.Sprintf(format, args...)}
}
func fail(format string, args ...any) Verdict {
	return Verdict{Outcome: Fail, Seen: fmt.Sprintf(format, args...)}
}
func skip(format string, args ...any) Verdict {
	return Verdict{Outcome: Skip, Seen: fmt.Sprintf(format, args...)}
}

// with adds figures.
func (v Verdict) with(figures ...Figure) Verdict {
	v.Figures = append(slices.Clone(v.Figures), figures...)
	return v
}

// Result is a scenario with what came of it.
type Result struct {
	Scenario
	Verdict
	Took time.Duration
	// Output is the end of what the extensions wrote, for a scenario that failed.
	Output []string
}

// Scenarios returns all there are, in the order in which they run.
func Scenarios() []Scenario {
	return slices.Concat(initScenarios, invokeScenarios, functionScenarios, logScenarios, deliveryScenarios,
		sinkScenarios, endScenarios, refusalScenarios, environmentScenarios, resourceScenarios)
}
