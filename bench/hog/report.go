package hog

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"runtime/metrics"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/lambent-host/lambent/bench/measure"
)

// Report is what was measured.
type Report struct {
	measure.Head
	Config Config `json:"config"`
	Rows   []Row  `json:"rows"`
}

// Row is one number of spinners. Times are in milliseconds.
type Row struct {
	Spinners int     `json:"spinners"`
	Requests int     `json:"requests"`
	P50      float64 `json:"p50Ms"`
	P99      float64 `json:"p99Ms"`
	Max      float64 `json:"maxMs"`
	// GCPause and SchedulingDelay are 99th percentiles of the whole process: how
	// long the world stood still for the garbage collector, and how long a
	// goroutine that could run waited for a processor. Upper bounds of a bucket.
	GCPause         float64 `json:"gcPauseP99Ms"`
	SchedulingDelay float64 `json:"schedulingDelayP99Ms"`
}

func rowOf(spinners int, took []time.Duration, rt runtimeTimes) Row {
	slices.Sort(took)
	return Row{
		Spinners: spinners, Requests: len(took),
		P50:     measure.Milliseconds(measure.Percentile(took, 50)),
		P99:     measure.Milliseconds(measure.Percentile(took, 99)),
		Max:     measure.Milliseconds(measure.Percentile(took, 100)),
		GCPause: 1000 * quantile(rt.pauses, 0.99), SchedulingDelay: 1000 * quantile(rt.latencies, 0.99),
	}
}

// runtimeTimes are two histograms of the Go runtime, in seconds.
type runtimeTimes struct{ pauses, latencies *metrics.Float64Histogram }

func readRuntime() runtimeTimes {
	samples := []metrics.Sample{{Name: "/sched/pauses/total/gc:seconds"}, {Name: "/sched/latencies:seconds"}}
	metrics.Read(samples)
	return runtimeTimes{samples[0].Value.Float64Histogram(), samples[1].Value.Float64Histogram()}
}

func (t runtimeTimes) since(before runtimeTimes) runtimeTimes {
	return runtimeTimes{subtract(t.pauses, before.pauses), subtract(t.latencies, before.latencies)}
}

func subtract(h, before *metrics.Float64Histogram) *metrics.Float64Histogram {
	d := &metrics.Float64Histogram{Counts: slices.Clone(h.Counts), Buckets: h.Buckets}
	for n := range d.Counts {
		d.Counts[n] -= before.Counts[n]
	}
	return d
}

// quantile is the upper bound of the bucket that q of the values do not exceed; 0
// for none.
func quantile(h *metrics.Float64Histogram, q float64) float64 {
	var all, sum uint64
	for _, n := range h.Counts {
		all += n
	}
	if all == 0 {
		return 0
	}
	for n, count := range h.Counts {
		if sum += count; float64(sum) >= q*float64(all) {
			if upper := h.Buckets[n+1]; !math.IsInf(upper, 1) {
				return upper
			}
			return h.Buckets[n]
		}
	}
	return 0
}

// WriteJSON writes everything that was measured.
func (r *Report) WriteJSON(w io.Writer) error { return measure.WriteJSON(w, r) }

// WriteTable writes for a person. Ratios are to the first row.
func (r *Report) WriteTable(w io.Writer) error {
	var b bytes.Buffer
	r.Head.Write(&b)
	c := r.Config
	fmt.Fprintf(&b, "a request every %v for %v, functions of %d MB, CPU quota %s\n\n", c.Interval, c.Duration, c.MemoryMB, c.Quota)
	t := tabwriter.NewWriter(&b, 0, 4, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "spinning\trequests\tp50 ms\tp99 ms\tmax ms\tp99 / first\tGC pause p99 ms\tscheduling delay p99 ms\t")
	for _, row := range r.Rows {
		fmt.Fprintf(t, "%d\t%d\t%.2f\t%.2f\t%.2f\t%.1f\t%.2f\t%.2f\t\n", row.Spinners, row.Requests, row.P50, row.P99, row.Max,
			row.P99/r.Rows[0].P99, row.GCPause, row.SchedulingDelay)
	}
	_ = t.Flush() // into memory
	b.WriteString("\nlatency from when a request was due; the client shares the process and its CPUs with the host\n")
	_, err := b.WriteTo(w)
	return err
}
