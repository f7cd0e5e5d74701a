package bench

import (
	"slices"
	"time"

	"github.com/lambent-host/lambent/bench/measure"
)

// Result is what one run of one scenario measured.
type Result struct {
	// Latencies of all requests, ascending.
	Latencies []time.Duration
	// Elapsed is the time in which they were made.
	Elapsed time.Duration
	// Function and Init are what the host reported of the function's own time
	// and of its init, ascending; empty where it was not asked.
	Function, Init []time.Duration
}

func newResult(latencies []time.Duration, elapsed time.Duration) Result {
	slices.Sort(latencies)
	return Result{Latencies: latencies, Elapsed: elapsed}
}

// PerSecond is the throughput, requests per second; 0 for no time.
func (r Result) PerSecond() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(len(r.Latencies)) / r.Elapsed.Seconds()
}

// Percentile returns the nearest-rank percentile p, 0 < p <= 100, of the
// latencies: the smallest that p percent of them do not exceed. 0 for none.
func (r Result) Percentile(p float64) time.Duration { return measure.Percentile(r.Latencies, p) }

// merge puts the rounds of a scenario together.
func merge(rounds []Result) Result {
	var all Result
	for _, r := range rounds {
		all.Latencies = append(all.Latencies, r.Latencies...)
		all.Function = append(all.Function, r.Function...)
		all.Init = append(all.Init, r.Init...)
		all.Elapsed += r.Elapsed
	}
	for _, times := range [][]time.Duration{all.Latencies, all.Function, all.Init} {
		slices.Sort(times)
	}
	return all
}
