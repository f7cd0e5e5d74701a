package bench

import (
	"math"
	"slices"
	"time"
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
func (r Result) Percentile(p float64) time.Duration { return percentile(r.Latencies, p) }

func percentile[T int64 | float64 | time.Duration](ascending []T, p float64) T {
	if len(ascending) == 0 {
		return 0
	}
	rank := int(math.Ceil(p / 100 * float64(len(ascending))))
	return ascending[min(max(rank, 1), len(ascending))-1]
}

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

// Spread is a figure over the rounds.
type Spread struct {
	Median float64 `json:"median"`
	Lowest float64 `json:"lowest"`
	// Highest, with Lowest, is the range over the rounds.
	Highest float64 `json:"highest"`
}

// spreadOf needs at least one value. With an even number the median is the mean
// of the two in the middle.
func spreadOf(values []float64) Spread {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return Spread{
		Median:  (sorted[(n-1)/2] + sorted[n/2]) / 2,
		Lowest:  sorted[0],
		Highest: sorted[n-1],
	}
}
