package share

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"

	"github.com/lambent-host/lambent/bench/measure"
)

// Report is what was measured.
type Report struct {
	measure.Head
	Config Config `json:"config"`
	Rows   []Row  `json:"rows"`
}

// Row is one run: some guests of one memory size. Shares are in CPUs.
type Row struct {
	Guests   int `json:"guests"`
	MemoryMB int `json:"memoryMB"`
	// Owed is the share by memory; Expected is what remains of it where all
	// together want more than they could get.
	Owed     float64 `json:"owed"`
	Expected float64 `json:"expected"`
	// Got is what the guests got, in ascending order.
	Got []float64 `json:"got"`
	// Off is how far the guest that is furthest from Expected is from it, as a
	// part of Expected.
	Off float64 `json:"off"`
	// Short tells that the machine did not have as much as all were owed.
	Short bool `json:"short,omitempty"`
}

func rowOf(mb int, got []float64) Row {
	owed := min(1, float64(mb)/memoryPerCPU)
	r := Row{Guests: len(got), MemoryMB: mb, Owed: owed, Expected: owed, Got: slices.Sorted(slices.Values(got))}
	var sum float64
	for _, g := range got {
		sum += g
	}
	if equal := sum / float64(len(got)); equal < owed*(1-within) {
		r.Expected, r.Short = equal, true
	}
	for _, g := range got {
		r.Off = max(r.Off, math.Abs(g-r.Expected)/r.Expected)
	}
	return r
}

// within is how near a share has to be to be called kept.
const within = 0.05

// WriteJSON writes everything that was measured.
func (r *Report) WriteJSON(w io.Writer) error { return measure.WriteJSON(w, r) }

// WriteTable writes for a person.
func (r *Report) WriteTable(w io.Writer) error {
	var b bytes.Buffer
	r.Head.Write(&b)
	fmt.Fprintf(&b, "each run %v; shares in CPUs, by the clock of the guest's thread\n\n", r.Config.Duration)
	t := tabwriter.NewWriter(&b, 0, 4, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "guests\tMB\tby memory\texpected\tleast\tmost\tfurthest off\t")
	for _, row := range r.Rows {
		note := ""
		if row.Short {
			note = " *"
		}
		fmt.Fprintf(t, "%d\t%d\t%.4f\t%.4f%s\t%.4f\t%.4f\t%.1f %%\t\n", row.Guests, row.MemoryMB, row.Owed, row.Expected, note,
			row.Got[0], row.Got[len(row.Got)-1], 100*row.Off)
	}
	_ = t.Flush() // into memory
	b.WriteString("\n* all together are owed more than the machine had for them: an equal part of what they got\n")
	_, err := b.WriteTo(w)
	return err
}
