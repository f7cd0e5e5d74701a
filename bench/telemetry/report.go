package telemetry

import (
	"bytes"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/lambent-host/lambent/bench/measure"
	"github.com/lambent-host/lambent/extensions"
)

// Report is what was measured.
type Report struct {
	measure.Head
	Config Config `json:"config"`
	Loads  []Load `json:"loads"`
	Bus    []Bus  `json:"bus"`
	HTTP   []HTTP `json:"http"`
	// Allocations are those that a warm invocation makes for telemetry when nobody
	// subscribes.
	Allocations []Allocation `json:"allocations"`
}

// Load is the throughput of warm invocations with one way to subscribe.
type Load struct {
	Case       string   `json:"case"`
	Extensions []string `json:"extensions"`
	// PerSecond, P50 and P99 (in milliseconds) are those of each round.
	PerSecond []float64 `json:"perSecond"`
	P50       []float64 `json:"p50Ms"`
	P99       []float64 `json:"p99Ms"`
	// CPU is the time of the CPUs that host and clients used for a request, in
	// milliseconds; that of the subscribers' processes is not in it.
	CPU []float64 `json:"cpuMs"`
	// Ratio is the throughput divided by that without a subscriber in the same round.
	Ratio measure.Spread `json:"ratio"`
	// Taking and Hanging are what became of the events of the subscribers that
	// answer, and of those that do not.
	Taking  Events `json:"taking"`
	Hanging Events `json:"hanging"`
}

// Events is what became of the events of several subscriptions.
type Events struct {
	Subscriptions int   `json:"subscriptions"`
	Published     int64 `json:"published"`
	Delivered     int64 `json:"delivered"`
	Dropped       int64 `json:"dropped"`
	// Left were not delivered when the environment ended, Again were sent more than once.
	Left  int64 `json:"left"`
	Again int64 `json:"again"`
	// Unbalanced is how many subscriptions have events that are not accounted for.
	Unbalanced int `json:"unbalanced"`
}

func (e *Events) add(a extensions.Account) {
	e.Subscriptions++
	e.Published += a.Published
	e.Delivered += a.Delivered
	e.Dropped += a.Dropped
	e.Left += a.Left
	e.Again += a.Again
	if !a.Balanced() {
		e.Unbalanced++
	}
}

// compare fills the ratios in.
func (r *Report) compare() {
	base := r.Loads[0].PerSecond
	for n := range r.Loads {
		var ratios []float64
		for round, perSecond := range r.Loads[n].PerSecond {
			ratios = append(ratios, perSecond/base[round])
		}
		if len(ratios) > 0 {
			r.Loads[n].Ratio = measure.SpreadOf(ratios)
		}
	}
}

// WriteJSON writes everything that was measured.
func (r *Report) WriteJSON(w io.Writer) error { return measure.WriteJSON(w, r) }

// WriteTable writes for a person.
func (r *Report) WriteTable(w io.Writer) error {
	var b bytes.Buffer
	r.Head.Write(&b)
	c := r.Config
	fmt.Fprintf(&b, "function %s, %d workers, %d rounds of %d requests\n\n", c.Function, c.Concurrency, c.Rounds, c.Requests)
	t := tabwriter.NewWriter(&b, 0, 4, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "subscribers\trequests/s\tof none\trange\tp50 ms\tp99 ms\tCPU ms\tevents\tdelivered\tdropped\tleft\tunaccounted\t")
	for _, l := range r.Loads {
		e := l.Taking
		fmt.Fprintf(t, "%s\t%.0f\t%.1f %%\t%.0f-%.0f %%\t%.2f\t%.2f\t%.3f\t%d\t%d\t%d\t%d\t%d\t\n", l.Case, measure.SpreadOf(l.PerSecond).Median,
			100*l.Ratio.Median, 100*l.Ratio.Lowest, 100*l.Ratio.Highest, measure.SpreadOf(l.P50).Median, measure.SpreadOf(l.P99).Median, measure.SpreadOf(l.CPU).Median,
			e.Published, e.Delivered, e.Dropped, e.Left, e.Unbalanced+l.Hanging.Unbalanced)
		if h := l.Hanging; h.Subscriptions > 0 {
			fmt.Fprintf(t, "of it, hanging\t\t\t\t\t\t\t%d\t%d\t%d\t%d\t\t\n", h.Published, h.Delivered, h.Dropped, h.Left)
		}
	}
	_ = t.Flush() // into memory
	r.writeEvents(&b)
	b.WriteString("\nclients and subscribers share the machine with the host; events, delivered, dropped and left are sums over all subscriptions\n")
	_, err := b.WriteTo(w)
	return err
}

func (r *Report) writeEvents(b *bytes.Buffer) {
	b.WriteByte('\n')
	for _, bus := range r.Bus {
		fmt.Fprintf(b, "bus, %d subscribers: %.0f events/s published, %d dropped\n", bus.Subscribers, bus.PerSecond, bus.Dropped)
	}
	for _, h := range r.HTTP {
		fmt.Fprintf(b, "over HTTP: %.0f events/s in %d batches; a plain POST of the same batches: %.0f events/s (%.0f %%)\n",
			h.PerSecond, h.Batches, h.PlainPerSecond, 100*h.PerSecond/h.PlainPerSecond)
	}
	sum := 0.0
	for _, a := range r.Allocations {
		sum += a.PerInvocation
	}
	fmt.Fprintf(b, "allocations of a warm invocation for telemetry without a subscriber: %.2f\n", sum)
	for _, a := range r.Allocations {
		fmt.Fprintf(b, "  %8.2f  %s\n", a.PerInvocation, a.Function)
	}
}
