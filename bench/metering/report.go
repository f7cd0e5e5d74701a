package metering

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/lambent-host/lambent/bench/kernels"
	"github.com/lambent-host/lambent/bench/measure"
)

// Report is a whole run.
type Report struct {
	measure.Head
	Config Config `json:"config"`
	// Modules tells what rewriting and compiling cost.
	Modules []Module `json:"modules"`
	Rows    []Row    `json:"kernels"`
	Means   []Mean   `json:"means"`
}

// Module is the cost of one module before it runs.
type Module struct {
	Language     string `json:"language"`
	Bytes        int    `json:"bytes"`
	MeteredBytes int    `json:"meteredBytes"`
	Charges      int    `json:"charges"`
	// RewriteMs, CompileMs and CompileMeteredMs are processor time of one thread.
	RewriteMs        measure.Spread `json:"rewriteMs"`
	CompileMs        measure.Spread `json:"compileMs"`
	CompileMeteredMs measure.Spread `json:"compileMeteredMs"`
	// RewriteShare is rewriting / compiling the plain module, CompileRatio
	// compiling the metered / the plain one.
	RewriteShare measure.Spread `json:"rewriteShare"`
	CompileRatio measure.Spread `json:"compileRatio"`
}

func (m *Module) fill(rewriting, plain, metered, share, growth []float64) {
	m.RewriteMs, m.CompileMs, m.CompileMeteredMs = measure.SpreadOf(rewriting), measure.SpreadOf(plain), measure.SpreadOf(metered)
	m.RewriteShare, m.CompileRatio = measure.SpreadOf(share), measure.SpreadOf(growth)
}

// Growth is how much larger the metered module is: 0.2 for a fifth.
func (m Module) Growth() float64 { return float64(m.MeteredBytes)/float64(m.Bytes) - 1 }

// Row is one kernel.
type Row struct {
	Language string `json:"language"`
	Name     string `json:"name"`
	Extreme  bool   `json:"extreme,omitempty"`
	Cells    []Cell `json:"engines"`
	// QuantumUs is the mean time between two visits of the metered kernel to the
	// host, in microseconds.
	QuantumUs float64 `json:"quantumUs,omitempty"`
}

// Cell is a kernel in one engine.
type Cell struct {
	Engine string `json:"engine"`
	// Ms is the time of a run.
	Ms measure.Spread `json:"ms"`
	// Ratio is to the engine's base, run by run; all ones for the base itself.
	Base  string         `json:"base"`
	Ratio measure.Spread `json:"ratio"`
	// ToFirst is to the first engine, wazero plain.
	ToFirst measure.Spread `json:"toWazero"`
}

// Mean is an engine over all kernels but the extreme ones.
type Mean struct {
	Engine string `json:"engine"`
	Base   string `json:"base"`
	// Geometric is the geometric mean of the medians, Worst the largest of them; for
	// an engine that is its own base, of those to wazero plain.
	Geometric   float64 `json:"geometricMean"`
	Worst       float64 `json:"worst"`
	WorstKernel string  `json:"worstKernel"`
	// ToFirst is the geometric mean to wazero plain.
	ToFirst float64 `json:"toWazero"`
}

func (r *Report) add(k kernels.Kernel, engines []Engine, times [][]time.Duration) {
	row := Row{Language: k.Language, Name: k.Name, Extreme: k.Extreme}
	for i, e := range engines {
		base := slices.IndexFunc(engines, func(b Engine) bool { return b.Name() == e.Base() })
		ms := make([]float64, len(times[i]))
		for n, t := range times[i] {
			ms[n] = measure.Milliseconds(t)
		}
		row.Cells = append(row.Cells, Cell{
			Engine: e.Name(), Base: e.Base(), Ms: measure.SpreadOf(ms),
			Ratio: ratios(times[i], times[max(base, 0)]), ToFirst: ratios(times[i], times[0]),
		})
	}
	r.Rows = append(r.Rows, row)
}

func ratios(of, to []time.Duration) measure.Spread {
	list := make([]float64, len(of))
	for n := range of {
		list[n] = float64(of[n]) / float64(to[n])
	}
	return measure.SpreadOf(list)
}

func (r *Report) summarize(engines []Engine) {
	for i, e := range engines {
		mean := Mean{Engine: e.Name(), Base: e.Base()}
		var ratio, first []float64
		for _, row := range r.Rows {
			if row.Extreme {
				continue
			}
			c := row.Cells[i]
			ratio, first = append(ratio, c.Ratio.Median), append(first, c.ToFirst.Median)
			worst := c.Ratio.Median
			if c.Engine == c.Base {
				worst = c.ToFirst.Median
			}
			if worst > mean.Worst {
				mean.Worst, mean.WorstKernel = worst, row.Language+" "+row.Name
			}
		}
		mean.Geometric, mean.ToFirst = measure.GeometricMean(ratio), measure.GeometricMean(first)
		r.Means = append(r.Means, mean)
	}
}

// WriteJSON implements [measure.Report].
func (r Report) WriteJSON(w io.Writer) error { return measure.WriteJSON(w, r) }

// WriteTable implements [measure.Report].
func (r Report) WriteTable(w io.Writer) error {
	var b bytes.Buffer
	r.Head.Write(&b)
	fmt.Fprintf(&b, "%d rounds, scale %g, %s in all\n\n", r.Config.Rounds, r.Config.Scale, r.Took.Round(100*time.Millisecond))
	t := tabwriter.NewWriter(&b, 0, 4, 3, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "kernel\tms\t")
	for _, m := range r.Means {
		if m.Engine != m.Base {
			fmt.Fprintf(t, "%s / %s\tlowest to highest\t", m.Engine, m.Base)
		} else if m.Engine != r.Means[0].Engine {
			fmt.Fprintf(t, "%s / %s\tlowest to highest\t", m.Engine, r.Means[0].Engine)
		}
	}
	fmt.Fprintln(t, "µs between visits\t")
	for _, row := range r.Rows {
		fmt.Fprintf(t, "%s %s\t%.2f\t", row.Language, row.Name, row.Cells[0].Ms.Median)
		for i, c := range row.Cells {
			if i == 0 {
				continue
			}
			s := c.Ratio
			if c.Engine == c.Base {
				s = c.ToFirst
			}
			fmt.Fprintf(t, "%.3f\t%.2f to %.2f\t", s.Median, s.Lowest, s.Highest)
		}
		fmt.Fprintf(t, "%.0f\t\n", row.QuantumUs)
	}
	fmt.Fprint(t, "geometric mean\t\t")
	for i, m := range r.Means {
		if i > 0 {
			g := m.Geometric
			if m.Engine == m.Base {
				g = m.ToFirst
			}
			fmt.Fprintf(t, "%.3f\tworst %s %.2f\t", g, m.WorstKernel, m.Worst)
		}
	}
	fmt.Fprintln(t, "\t")
	_ = t.Flush() // into memory
	b.WriteByte('\n')
	for _, m := range r.Modules {
		fmt.Fprintf(&b, "%s: %d bytes grow by %.1f %%; rewriting %.1f ms is %.1f %% of compiling (%.1f ms); compiling the metered module takes %.2f of that\n",
			m.Language, m.Bytes, 100*m.Growth(), m.RewriteMs.Median, 100*m.RewriteShare.Median, m.CompileMs.Median, m.CompileRatio.Median)
	}
	b.WriteString("\nRatios are medians of rounds of processor time, less is better; the geometric mean leaves the empty loop out.\n")
	_, err := b.WriteTo(w)
	return err
}
