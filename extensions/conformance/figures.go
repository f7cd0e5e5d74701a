package conformance

import (
	"slices"
	"time"
)

// quantile of sorted or unsorted durations; 0 where there are none.
func quantile(q float64, all []time.Duration) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// overheads are the figures of what invocations were held up.
func overheads(all []time.Duration) []Figure {
	return []Figure{
		count("invocations", len(all)),
		ms("added latency p50", quantile(0.5, all)),
		ms("added latency p99", quantile(0.99, all)),
	}
}
