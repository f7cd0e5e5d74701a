package deadline

import (
	"bytes"
	"fmt"
	"io"
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

// Row is one way not to come back: how long after the deadline it was ended, in
// milliseconds.
type Row struct {
	Way     string  `json:"way"`
	Samples int     `json:"samples"`
	P50     float64 `json:"p50Ms"`
	P99     float64 `json:"p99Ms"`
	Max     float64 `json:"maxMs"`

	late []time.Duration
}

func (r *Row) summarize() {
	slices.Sort(r.late)
	r.Samples = len(r.late)
	r.P50 = measure.Milliseconds(measure.Percentile(r.late, 50))
	r.P99 = measure.Milliseconds(measure.Percentile(r.late, 99))
	r.Max = measure.Milliseconds(measure.Percentile(r.late, 100))
}

// WriteJSON writes everything that was measured.
func (r *Report) WriteJSON(w io.Writer) error { return measure.WriteJSON(w, r) }

// WriteTable writes for a person.
func (r *Report) WriteTable(w io.Writer) error {
	var b bytes.Buffer
	r.Head.Write(&b)
	fmt.Fprintf(&b, "%d samples each, a deadline of %v; ms after the deadline\n\n", r.Config.Samples, r.Config.Deadline)
	t := tabwriter.NewWriter(&b, 0, 4, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "guest\tp50\tp99\tmax\t")
	for _, row := range r.Rows {
		fmt.Fprintf(t, "%s\t%.3f\t%.3f\t%.3f\t\n", row.Way, row.P50, row.P99, row.Max)
	}
	_ = t.Flush() // into memory
	_, err := b.WriteTo(w)
	return err
}
