package snapshots

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/lambent-host/lambent/bench/measure"
)

// The kinds of a row.
const (
	KindInit      = "instantiate + init"
	KindRestore   = "restore, a seat ready"
	KindBurstSeat = "burst, a seat ready"
	KindBurst     = "burst, no seat left"
	KindWarm      = "warm"
	KindIsolated  = "reset + invoke"
	KindReset     = "reset alone"
)

// Report is a whole run.
type Report struct {
	measure.Head
	Config   Config    `json:"config"`
	Handlers []Handler `json:"handlers"`
}

// Handler is what was measured with one of them.
type Handler struct {
	Language string `json:"language"`
	// SnapshotBytes is what it takes, CaptureMs how long taking it took.
	SnapshotBytes int64   `json:"snapshotBytes"`
	CaptureMs     float64 `json:"captureMs"`
	// Seat is what one costs; nil if there was no room to measure it.
	Seat *Seat `json:"seat,omitempty"`
	Rows []Row `json:"kinds"`
	// InitToRestore is how many times longer instantiate + init takes than restore
	// until the handler is entered, of the medians.
	InitToRestore float64 `json:"initToRestore"`
}

// Seat is the cost of one that is made ahead of time.
type Seat struct {
	RefillUs  float64 `json:"refillUs"`
	HeapBytes int64   `json:"heapBytes"`
}

// Row is one kind, in microseconds.
type Row struct {
	Kind  string `json:"kind"`
	Count int    `json:"count"`
	// Entered is from the beginning until the handler is entered (a reset alone:
	// until it is done), Answered until its answer is there.
	Entered  Quantiles `json:"enteredUs"`
	Answered Quantiles `json:"answeredUs"`
	// Ready is until Init or Restore has returned.
	Ready *Quantiles `json:"readyUs,omitempty"`
}

// Quantiles are over all rounds.
type Quantiles struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

// timing gathers the times of one kind.
type timing struct {
	Kind                     string
	entered, answered, ready []time.Duration
}

// note ends a measurement now.
func (t *timing) note(began, entered time.Time) {
	t.answered = append(t.answered, time.Since(began))
	t.entered = append(t.entered, entered.Sub(began))
}

// noteDone notes what has no handler in it.
func (t *timing) noteDone(d time.Duration) {
	t.entered, t.answered = append(t.entered, d), append(t.answered, d)
}

func (t *timing) prepared(d time.Duration) { t.ready = append(t.ready, d) }

func (t *timing) row() Row {
	r := Row{Kind: t.Kind, Count: len(t.entered), Entered: quantiles(t.entered), Answered: quantiles(t.answered)}
	if len(t.ready) > 0 {
		q := quantiles(t.ready)
		r.Ready = &q
	}
	return r
}

func quantiles(times []time.Duration) Quantiles {
	ascending := slices.Sorted(slices.Values(times))
	return Quantiles{us(measure.Percentile(ascending, 50)), us(measure.Percentile(ascending, 99))}
}

// Row returns the row of a kind; the zero row for none.
func (h Handler) Row(kind string) Row {
	for _, r := range h.Rows {
		if r.Kind == kind {
			return r
		}
	}
	return Row{}
}

func (h *Handler) fillRatios() {
	if restored := h.Row(KindRestore).Entered.P50; restored > 0 {
		h.InitToRestore = h.Row(KindInit).Entered.P50 / restored
	}
}

// WriteJSON implements [measure.Report].
func (r Report) WriteJSON(w io.Writer) error { return measure.WriteJSON(w, r) }

// WriteTable implements [measure.Report].
func (r Report) WriteTable(w io.Writer) error {
	var b bytes.Buffer
	r.Head.Write(&b)
	fmt.Fprintf(&b, "%d rounds, %d MB, snapshots after %d invocations, %s in all\n", r.Config.Rounds, r.Config.MemoryMB,
		r.Config.WarmUp, r.Took.Round(100*time.Millisecond))
	for _, h := range r.Handlers {
		fmt.Fprintf(&b, "\n%s: a snapshot of %d KiB, taken in %.1f ms", h.Language, h.SnapshotBytes>>10, h.CaptureMs)
		if h.Seat != nil {
			fmt.Fprintf(&b, "; a seat takes %.0f µs to make and %d KiB", h.Seat.RefillUs, h.Seat.HeapBytes>>10)
		}
		fmt.Fprintf(&b, "; restore is %.1f times faster than init\n", h.InitToRestore)
		t := tabwriter.NewWriter(&b, 0, 4, 3, ' ', tabwriter.AlignRight)
		fmt.Fprintln(t, "µs\tentered p50\tp99\tanswered p50\tp99\tcount\t")
		for _, row := range h.Rows {
			fmt.Fprintf(t, "%s\t%.1f\t%.1f\t%.1f\t%.1f\t%d\t\n", row.Kind,
				row.Entered.P50, row.Entered.P99, row.Answered.P50, row.Answered.P99, row.Count)
		}
		_ = t.Flush() // into memory
	}
	_, err := w.Write(b.Bytes())
	return err
}
