package measure

import (
	"math"
	"slices"
	"time"
)

// Percentile returns the nearest-rank percentile p, 0 < p <= 100, of values in
// ascending order: the smallest that p percent of them do not exceed. 0 for none.
func Percentile[T int64 | float64 | time.Duration](ascending []T, p float64) T {
	if len(ascending) == 0 {
		return 0
	}
	rank := int(math.Ceil(p / 100 * float64(len(ascending))))
	return ascending[min(max(rank, 1), len(ascending))-1]
}

// Spread is a figure over the rounds.
type Spread struct {
	Median float64 `json:"median"`
	Lowest float64 `json:"lowest"`
	// Highest, with Lowest, is the range over the rounds.
	Highest float64 `json:"highest"`
}

// SpreadOf needs at least one value. With an even number the median is the mean
// of the two in the middle.
func SpreadOf(values []float64) Spread {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return Spread{
		Median:  (sorted[(n-1)/2] + sorted[n/2]) / 2,
		Lowest:  sorted[0],
		Highest: sorted[n-1],
	}
}

// GeometricMean is the mean for ratios; 0 for none. The values must be positive.
func GeometricMean(ratios []float64) float64 {
	if len(ratios) == 0 {
		return 0
	}
	var sum float64
	for _, r := range ratios {
		sum += math.Log(r)
	}
	return math.Exp(sum / float64(len(ratios)))
}

// Milliseconds is a duration as reports have it.
func Milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
