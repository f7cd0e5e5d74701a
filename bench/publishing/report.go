package publishing

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/lambent-host/lambent/bench/measure"
)

// Report is a whole run.
type Report struct {
	measure.Head
	Config    Config     `json:"config"`
	Rows      []Row      `json:"modules"`
	Neighbour *Neighbour `json:"neighbour,omitempty"`
}

// Row is one module.
type Row struct {
	Name  string `json:"name"`
	Bytes int    `json:"bytes"`
	// WallMs and CPUMs are the child's, from its start to its end.
	WallMs measure.Spread `json:"wallMs"`
	CPUMs  measure.Spread `json:"cpuMs"`
	// CheckMs, MeterMs and CompileMs are the steps inside it, by wall time:
	// checking includes validation by the engine.
	CheckMs   measure.Spread `json:"checkMs"`
	MeterMs   measure.Spread `json:"meterMs"`
	CompileMs measure.Spread `json:"compileMs"`
	// MeterShare is metering / compiling.
	MeterShare measure.Spread `json:"meterShare"`
	// PeakMB is the child's resident memory at most.
	PeakMB measure.Spread `json:"peakMB"`
	// LoadMs is the load of what it left; BeforeMs what a load would take that
	// checks and meters again.
	LoadMs   measure.Spread `json:"loadMs"`
	BeforeMs measure.Spread `json:"beforeMs"`
}

func rowOf(name string, bytes int, rounds []round) Row {
	of := func(f func(round) float64) measure.Spread {
		values := make([]float64, len(rounds))
		for n, r := range rounds {
			values[n] = f(r)
		}
		return measure.SpreadOf(values)
	}
	ms := measure.Milliseconds
	return Row{
		Name: name, Bytes: bytes,
		WallMs:     of(func(r round) float64 { return ms(r.usage.WallTime) }),
		CPUMs:      of(func(r round) float64 { return ms(r.usage.CPUTime) }),
		CheckMs:    of(func(r round) float64 { return ms(r.prepared.Checking) }),
		MeterMs:    of(func(r round) float64 { return ms(r.prepared.Metering) }),
		CompileMs:  of(func(r round) float64 { return ms(r.prepared.Compiling) }),
		MeterShare: of(func(r round) float64 { return float64(r.prepared.Metering) / float64(r.prepared.Compiling) }),
		PeakMB:     of(func(r round) float64 { return float64(r.usage.PeakBytes) / (1 << 20) }),
		LoadMs:     of(func(r round) float64 { return ms(r.load) }),
		BeforeMs:   of(func(r round) float64 { return ms(r.load + r.prepared.Checking + r.prepared.Metering) }),
	}
}

// Neighbour is what somebody else notices.
type Neighbour struct {
	// Module is what was published meanwhile.
	Module string `json:"module"`
	// Idle is while nothing is published, Publishing while something is.
	Idle       Latency `json:"idle"`
	Publishing Latency `json:"publishing"`
}

// Latency is of warm invocations over HTTP, one after the other.
type Latency struct {
	Requests int     `json:"requests"`
	P50Ms    float64 `json:"p50Ms"`
	P99Ms    float64 `json:"p99Ms"`
}

// WriteJSON writes everything that was measured.
func (r Report) WriteJSON(w io.Writer) error { return measure.WriteJSON(w, r) }

// WriteTable writes the medians.
func (r Report) WriteTable(w io.Writer) error {
	r.Head.Write(w)
	fmt.Fprintf(w, "medians of %d rounds\n\n", r.Config.Rounds)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "module\tMB\twall ms\tCPU ms\tcheck ms\tmeter ms\tcompile ms\tmeter/compile\tpeak MB\tload ms\tload, checked anew ms\t")
	for _, m := range r.Rows {
		fmt.Fprintf(t, "%s\t%.2f\t%.0f\t%.0f\t%.1f\t%.1f\t%.1f\t%.1f %%\t%.0f\t%.1f\t%.1f\t\n", m.Name, float64(m.Bytes)/1e6,
			m.WallMs.Median, m.CPUMs.Median, m.CheckMs.Median, m.MeterMs.Median, m.CompileMs.Median,
			100*m.MeterShare.Median, m.PeakMB.Median, m.LoadMs.Median, m.BeforeMs.Median)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if n := r.Neighbour; n != nil {
		fmt.Fprintf(w, "\na neighbour's warm invocations, p50 and p99: idle %.2f and %.2f ms (%d), while %s is published %.2f and %.2f ms (%d): %.1fx and %.1fx\n",
			n.Idle.P50Ms, n.Idle.P99Ms, n.Idle.Requests, n.Module, n.Publishing.P50Ms, n.Publishing.P99Ms, n.Publishing.Requests,
			n.Publishing.P50Ms/n.Idle.P50Ms, n.Publishing.P99Ms/n.Idle.P99Ms)
	}
	return nil
}
