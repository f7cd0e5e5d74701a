package measure

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestPercentileIsNearestRank(t *testing.T) {
	ten := []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	for _, c := range []struct {
		of   []float64
		p    float64
		want float64
	}{
		{nil, 50, 0},
		{[]float64{7}, 1, 7},
		{[]float64{7}, 100, 7},
		{ten, 50, 5},
		{ten, 51, 6},
		{ten, 90, 9},
		{ten, 99, 10},
		{ten, 100, 10},
		{ten, 0.001, 1},
	} {
		if got := Percentile(c.of, c.p); got != c.want {
			t.Errorf("percentile %v of %v is %v, want %v", c.p, c.of, got, c.want)
		}
	}
}

// The definition: at least p percent of the values do not exceed the
// percentile, and with the next smaller value fewer would not.
func TestPercentileHoldsItsDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(0, 100), 1, 60).Draw(t, "values")
		p := rapid.Float64Range(0.1, 100).Draw(t, "p")
		slices.Sort(values)
		got := Percentile(values, p)
		upTo, below := 0, 0
		for _, v := range values {
			if v <= got {
				upTo++
			}
			if v < got {
				below++
			}
		}
		need := p / 100 * float64(len(values))
		if float64(upTo) < need-1e-9 || float64(below) >= need+1e-9 {
			t.Fatalf("percentile %v of %v is %v: %d values up to it, %d below, %v needed", p, values, got, upTo, below, need)
		}
	})
}

func TestSpreadIsMedianAndRange(t *testing.T) {
	for _, c := range []struct {
		of   []float64
		want Spread
	}{
		{[]float64{3}, Spread{3, 3, 3}},
		{[]float64{9, 1}, Spread{5, 1, 9}},
		{[]float64{9, 1, 2}, Spread{2, 1, 9}},
		{[]float64{4, 3, 2, 1}, Spread{2.5, 1, 4}},
	} {
		before := slices.Clone(c.of)
		if got := SpreadOf(c.of); got != c.want {
			t.Errorf("spread of %v is %v, want %v", c.of, got, c.want)
		}
		if !slices.Equal(before, c.of) {
			t.Errorf("the values were reordered: %v", c.of)
		}
	}
}

func TestCPUModel(t *testing.T) {
	const two = "processor\t: 0\nmodel name\t: Fast One @ 3 GHz\n\nprocessor\t: 1\nmodel name\t: Other\n"
	if got := cpuModel([]byte(two)); got != "Fast One @ 3 GHz" {
		t.Errorf("got %q", got)
	}
	if got := cpuModel([]byte("Hardware\t: X")); got != "" {
		t.Errorf("got %q where there is none", got)
	}
	if got := firstFields("0.1 0.2 0.3 1/200 77", 3); got != "0.1 0.2 0.3" {
		t.Errorf("load average %q", got)
	}
}

func TestGeometricMean(t *testing.T) {
	if got := GeometricMean([]float64{0.5, 2, 8}); math.Abs(got-2) > 1e-9 {
		t.Errorf("got %v, want 2", got)
	}
	if got := GeometricMean(nil); got != 0 {
		t.Errorf("got %v of nothing", got)
	}
}
