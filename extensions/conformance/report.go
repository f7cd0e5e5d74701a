package conformance

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is what came of a run.
type Report struct {
	// Extensions are the names of what was tried.
	Extensions []string
	// Place says in words where they ran.
	Place   string
	Began   time.Time
	Took    time.Duration
	Results []Result
}

// Count is how many scenarios ended so.
func (r *Report) Count(o Outcome) (n int) {
	for _, result := range r.Results {
		if result.Outcome == o {
			n++
		}
	}
	return n
}

// Failed tells whether a scenario failed.
func (r *Report) Failed() bool { return r.Count(Fail) > 0 }

// Summary is one line.
func (r *Report) Summary() string {
	return fmt.Sprintf("%s: %d passed, %d failed, %d skipped in %.1f s, %s", strings.Join(r.Extensions, ", "),
		r.Count(Pass), r.Count(Fail), r.Count(Skip), r.Took.Seconds(), r.Place)
}

// WriteResult writes one result as text: its outcome, what was seen, and for one
// that failed what was expected and what the extension wrote.
func WriteResult(w io.Writer, r Result) error {
	var text strings.Builder
	fmt.Fprintf(&text, "%-4s  %-17s %s\n", r.Outcome, r.Name, oneLine(r.Seen))
	if r.Outcome == Fail {
		fmt.Fprintf(&text, "      tried:    %s\n      expected: %s\n", r.What, r.Expect)
		for _, line := range r.Output {
			fmt.Fprintf(&text, "      | %s\n", printable(line))
		}
	}
	_, err := io.WriteString(w, text.String())
	return err
}

func oneLine(text string) string { return printable(strings.Join(strings.Fields(text), " ")) }

// printable replaces what a terminal might act on.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || r >= ' ' && r != 0x7f && (r < 0x80 || r > 0x9f) {
			return r
		}
		return '·'
	}, text)
}

// WriteFigures writes what was measured as a table.
func (r *Report) WriteFigures(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SCENARIO\tFIGURE\tVALUE\tUNIT")
	for _, result := range r.Results {
		for _, f := range result.Figures {
			decimals := 0
			if f.Unit == unitMs {
				decimals = 2
			}
			fmt.Fprintf(table, "%s\t%s\t%.*f\t%s\n", result.Name, f.Name, decimals, f.Value, f.Unit)
		}
	}
	return table.Flush()
}

// WriteTable writes all results, the figures and the summary as text.
func (r *Report) WriteTable(w io.Writer) error {
	for _, result := range r.Results {
		if err := WriteResult(w, result); err != nil {
			return err
		}
	}
	fmt.Fprintln(w)
	if err := r.WriteFigures(w); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s\n", r.Summary())
	return err
}

// jsonReport is the form for machines.
type jsonReport struct {
	Extensions []string     `json:"extensions"`
	Place      string       `json:"place"`
	Began      time.Time    `json:"began"`
	Seconds    float64      `json:"seconds"`
	Passed     int          `json:"passed"`
	Failed     int          `json:"failed"`
	Skipped    int          `json:"skipped"`
	Results    []jsonResult `json:"results"`
}

type jsonResult struct {
	Name     string   `json:"name"`
	Outcome  Outcome  `json:"outcome"`
	What     string   `json:"what"`
	Expected string   `json:"expected"`
	Seen     string   `json:"seen"`
	Seconds  float64  `json:"seconds"`
	Figures  []Figure `json:"figures"`
	Output   []string `json:"output,omitempty"`
}

// WriteJSON writes the report as one JSON object.
func (r *Report) WriteJSON(w io.Writer) error {
	out := jsonReport{
		Extensions: r.Extensions, Place: r.Place, Began: r.Began.UTC(), Seconds: r.Took.Seconds(),
		Passed: r.Count(Pass), Failed: r.Count(Fail), Skipped: r.Count(Skip), Results: []jsonResult{},
	}
	for _, result := range r.Results {
		out.Results = append(out.Results, jsonResult{
			result.Name, result.Outcome, result.What, result.Expect, result.Seen, result.Took.Seconds(),
			append([]Figure{}, result.Figures...), result.Output,
		})
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(out)
}
