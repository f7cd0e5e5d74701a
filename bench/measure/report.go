package measure

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Report is what a scenario gives back.
type Report interface {
	// WriteTable writes for a person.
	WriteTable(w io.Writer) error
	// WriteJSON writes everything that was measured.
	WriteJSON(w io.Writer) error
}

// Plotted is a Report that can be drawn.
type Plotted interface {
	// WritePlot writes an SVG picture.
	WritePlot(w io.Writer) error
}

// Head is the beginning of every report: what was measured where, and when.
type Head struct {
	// Version is Lambent's, as the go command recorded it.
	Version string        `json:"version"`
	Started time.Time     `json:"started"`
	Took    time.Duration `json:"took"` // nanoseconds, as every duration here
	Machine Machine       `json:"machine"`
}

// NewHead begins a report now.
func NewHead() Head { return Head{Version: Version(), Started: time.Now(), Machine: ThisMachine()} }

// Finish notes how long the run took.
func (h *Head) Finish() { h.Took = time.Since(h.Started) }

// Write writes the machine on one line.
func (h Head) Write(w io.Writer) {
	m := h.Machine
	fmt.Fprintf(w, "lambent %s, %s %s/%s, %d CPUs, GOMAXPROCS %d", h.Version, m.GoVersion, m.OS, m.Arch, m.CPUs, m.GOMAXPROCS)
	if m.CPUModel != "" {
		fmt.Fprintf(w, ", %s", m.CPUModel)
	}
	if m.LoadAverage != "" {
		fmt.Fprintf(w, ", load average %s at the start", m.LoadAverage)
	}
	fmt.Fprintln(w)
}

// WriteJSON writes a report as one indented JSON object.
func WriteJSON(w io.Writer, report any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(report); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}
