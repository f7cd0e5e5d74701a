package bench

import (
	"io"

	"github.com/lambent-host/lambent/bench/measure"
)

// Report is a whole run: what was measured, on which machine, with which settings.
type Report struct {
	measure.Head
	Config Config  `json:"config"`
	Setup  Setup   `json:"setup"`
	Rows   []Row   `json:"scenarios"`
	Ratios []Ratio `json:"ratios"`
}

// Row is one scenario over all rounds.
type Row struct {
	Scenario    string `json:"scenario"`
	Concurrency int    `json:"concurrency"`
	Requests    int    `json:"requests"`
	// Latency over all requests of all rounds.
	Latency Latency `json:"latency"`
	// InitMs and FunctionMs are the medians of what the host reported: they are
	// part of the latency. 0 where it was not asked.
	InitMs     float64 `json:"initMs,omitempty"`
	FunctionMs float64 `json:"functionMs,omitempty"`
	// PerSecond is requests per second, over the rounds; nil for cold requests,
	// which have updates between them.
	PerSecond *measure.Spread `json:"perSecond,omitempty"`
}

// Latency is a distribution in milliseconds.
type Latency struct {
	P50 float64 `json:"p50Ms"`
	P90 float64 `json:"p90Ms"`
	P99 float64 `json:"p99Ms"`
	Max float64 `json:"maxMs"`
}

// Ratio is one scenario's figure divided by another's of the same round.
type Ratio struct {
	Of     string `json:"of"`
	To     string `json:"to"`
	Figure string `json:"figure"` // "p50", "p99" or "requests per second"
	measure.Spread
}

// summarize fills rows and ratios in.
func (r *Report) summarize(scenarios []scenario, rounds map[string][]Result) {
	for _, s := range scenarios {
		all := merge(rounds[s.name])
		row := Row{Scenario: s.name, Concurrency: s.concurrency, Requests: len(all.Latencies), Latency: Latency{
			P50: measure.Milliseconds(all.Percentile(50)), P90: measure.Milliseconds(all.Percentile(90)),
			P99: measure.Milliseconds(all.Percentile(99)), Max: measure.Milliseconds(all.Percentile(100)),
		}, InitMs: measure.Milliseconds(measure.Percentile(all.Init, 50)), FunctionMs: measure.Milliseconds(measure.Percentile(all.Function, 50))}
		if s.name != Cold {
			perSecond := over(rounds[s.name], Result.PerSecond)
			row.PerSecond = &perSecond
		}
		r.Rows = append(r.Rows, row)
	}
	for _, pair := range [][2]string{{Cold, Warm}, {Warm, Ceiling}, {WarmLoaded, CeilingLoaded}} {
		of, to := rounds[pair[0]], rounds[pair[1]]
		r.ratio(pair, "p50", of, to, func(r Result) float64 { return measure.Milliseconds(r.Percentile(50)) })
		r.ratio(pair, "p99", of, to, func(r Result) float64 { return measure.Milliseconds(r.Percentile(99)) })
		if pair[0] != Cold {
			r.ratio(pair, "requests per second", of, to, Result.PerSecond)
		}
	}
}

func (r *Report) ratio(pair [2]string, figure string, of, to []Result, value func(Result) float64) {
	ratios := make([]float64, len(of))
	for i := range of {
		if below := value(to[i]); below > 0 {
			ratios[i] = value(of[i]) / below
		}
	}
	r.Ratios = append(r.Ratios, Ratio{Of: pair[0], To: pair[1], Figure: figure, Spread: measure.SpreadOf(ratios)})
}

func over(rounds []Result, value func(Result) float64) measure.Spread {
	values := make([]float64, len(rounds))
	for i, r := range rounds {
		values[i] = value(r)
	}
	return measure.SpreadOf(values)
}

// WriteJSON writes the report as one indented JSON object.
func (r Report) WriteJSON(w io.Writer) error { return measure.WriteJSON(w, r) }
