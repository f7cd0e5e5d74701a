package bench

import (
	"bytes"
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// WriteTable writes the report for a person: machine and settings, the
// scenarios, the ratios.
func (r Report) WriteTable(w io.Writer) error {
	var b bytes.Buffer
	r.writeHead(&b)
	t := tabwriter.NewWriter(&b, 0, 4, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "scenario\tat a time\trequests\tp50 ms\tp90 ms\tp99 ms\tmax ms\tof which init\tfunction\treq/s\tlowest to highest\t")
	for _, row := range r.Rows {
		l := row.Latency
		fmt.Fprintf(t, "%s\t%d\t%d\t%.3f\t%.3f\t%.3f\t%.3f\t%s\t%s\t", row.Scenario, row.Concurrency, row.Requests,
			l.P50, l.P90, l.P99, l.Max, known(row.InitMs), known(row.FunctionMs))
		if s := row.PerSecond; s != nil {
			fmt.Fprintf(t, "%.0f\t%.0f to %.0f\t\n", s.Median, s.Lowest, s.Highest)
		} else {
			fmt.Fprint(t, "-\t-\t\n")
		}
	}
	_ = t.Flush() // into memory
	b.WriteByte('\n')
	t = tabwriter.NewWriter(&b, 0, 4, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "ratio\tof\tmedian of rounds\tlowest to highest\t")
	for _, x := range r.Ratios {
		fmt.Fprintf(t, "%s / %s\t%s\t%.2f\t%.2f to %.2f\t\n", x.Of, x.To, x.Figure, x.Median, x.Lowest, x.Highest)
	}
	_ = t.Flush()
	b.WriteString(footnotes)
	_, err := b.WriteTo(w)
	return err
}

// known prints what was asked for, and a dash for what was not.
func known(ms float64) string {
	if ms == 0 {
		return "-"
	}
	return fmt.Sprintf("%.3f", ms)
}

const footnotes = `
cold: first request after a change of the function's configuration: a new environment and
its init, the compiled module in memory. warm: the environment is there. ceiling: a plain
echo handler that answers the same bytes. Client and servers share one process and its
CPUs; closed loop. Init and function: medians of what the host reports of the guest's own
time, part of the latency; the rest is HTTP and the host. Ratios of latency: less is better; of requests per second: more is.
`

func (r Report) writeHead(b *bytes.Buffer) {
	r.Head.Write(b)
	c := r.Config
	fmt.Fprintf(b, "%d rounds of %d requests (%d cold), %d before each to warm up; function of %d MB without CPU quota, no extensions, no exporter; %s\n",
		c.Rounds, c.Requests, c.Cold, c.Warmup, c.MemoryMB, r.Started.UTC().Format(time.RFC3339))
	s := r.Setup
	cache := "empty compile cache"
	if c.CompileCacheDir != "" {
		cache = "compile cache of earlier runs"
	}
	fmt.Fprintf(b, "%s: %.1f MB of wasm, built in %s, published in %s (%s); %d bytes in, %d out; %s in all\n\n",
		folder(c.Function), float64(s.ModuleBytes)/(1<<20), round(s.Build), round(s.Publish), cache, s.PayloadBytes, s.AnswerBytes, round(r.Took))
}

func round(d time.Duration) time.Duration { return d.Round(100 * time.Millisecond) }
