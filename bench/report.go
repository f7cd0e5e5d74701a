package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Report is a whole run: what was measured, on which machine, with which settings.
type Report struct {
	// Version is Lambent's, as the go command recorded it.
	Version string        `json:"version"`
	Started time.Time     `json:"started"`
	Took    time.Duration `json:"took"` // nanoseconds, as every duration here
	Machine Machine       `json:"machine"`
	Config  Config        `json:"config"`
	Setup   Setup         `json:"setup"`
	Rows    []Row         `json:"scenarios"`
	Ratios  []Ratio       `json:"ratios"`
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
	PerSecond *Spread `json:"perSecond,omitempty"`
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
	Spread
}

func newReport(cfg Config) Report {
	return Report{Version: version(), Started: time.Now(), Machine: thisMachine(), Config: cfg}
}

// summarize fills rows and ratios in.
func (r *Report) summarize(scenarios []scenario, rounds map[string][]Result) {
	for _, s := range scenarios {
		all := merge(rounds[s.name])
		row := Row{Scenario: s.name, Concurrency: s.concurrency, Requests: len(all.Latencies), Latency: Latency{
			P50: milliseconds(all.Percentile(50)), P90: milliseconds(all.Percentile(90)),
			P99: milliseconds(all.Percentile(99)), Max: milliseconds(all.Percentile(100)),
		}, InitMs: milliseconds(percentile(all.Init, 50)), FunctionMs: milliseconds(percentile(all.Function, 50))}
		if s.name != Cold {
			perSecond := over(rounds[s.name], Result.PerSecond)
			row.PerSecond = &perSecond
		}
		r.Rows = append(r.Rows, row)
	}
	for _, pair := range [][2]string{{Cold, Warm}, {Warm, Ceiling}, {WarmLoaded, CeilingLoaded}} {
		of, to := rounds[pair[0]], rounds[pair[1]]
		r.ratio(pair, "p50", of, to, func(r Result) float64 { return milliseconds(r.Percentile(50)) })
		r.ratio(pair, "p99", of, to, func(r Result) float64 { return milliseconds(r.Percentile(99)) })
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
	r.Ratios = append(r.Ratios, Ratio{Of: pair[0], To: pair[1], Figure: figure, Spread: spreadOf(ratios)})
}

func over(rounds []Result, value func(Result) float64) Spread {
	values := make([]float64, len(rounds))
	for i, r := range rounds {
		values[i] = value(r)
	}
	return spreadOf(values)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// WriteJSON writes the report as one indented JSON object.
func (r Report) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(r); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}
