package density

import (
	"bytes"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/lambent-host/lambent/bench/measure"
)

// Report is a whole run.
type Report struct {
	measure.Head
	Config        Config `json:"config"`
	SnapshotBytes int64  `json:"snapshotBytes"`
	Rows          []Row  `json:"rows"`
}

// Row is a number of environments, and by how much the process has grown.
type Row struct {
	Environments int `json:"environments"`
	// Restored is before the first invocation, Answered when each has answered one,
	// Again when each has answered another, Closed when all are closed.
	Restored Memory `json:"restored"`
	Answered Memory `json:"answered"`
	Again    Memory `json:"again"`
	Closed   Memory `json:"closed"`
	// RestoreUs and AnswerUs are for one environment, in microseconds: restoring it,
	// and its second answer, for which it had to be taken up again.
	RestoreUs float64 `json:"restoreUs"`
	AnswerUs  float64 `json:"answerUs"`

	base Memory
}

// WriteJSON implements [measure.Report].
func (r Report) WriteJSON(w io.Writer) error { return measure.WriteJSON(w, r) }

// WriteTable implements [measure.Report].
func (r Report) WriteTable(w io.Writer) error {
	var b bytes.Buffer
	r.Head.Write(&b)
	fmt.Fprintf(&b, "%s handler, %d MB, a snapshot of %d KiB, %s in all; growth since before the first was restored\n\n",
		r.Config.Language, r.Config.MemoryMB, r.SnapshotBytes>>10, r.Took.Round(100*time.Millisecond))
	t := tabwriter.NewWriter(&b, 0, 4, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "environments\tRSS MiB restored\tanswered\tanswered again\tclosed\tKiB each\tpage tables MiB\tmappings\trestore µs\tanswer µs\t")
	mib := func(kib int64) float64 { return float64(kib) / 1024 }
	for _, row := range r.Rows {
		fmt.Fprintf(t, "%d\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t%d\t%.1f\t%.1f\t\n", row.Environments,
			mib(row.Restored.RSS), mib(row.Answered.RSS), mib(row.Again.RSS), mib(row.Closed.RSS),
			float64(row.Again.RSS)/float64(row.Environments), mib(row.Again.PageTables), row.Again.Mappings, row.RestoreUs, row.AnswerUs)
	}
	_ = t.Flush() // into memory
	_, err := w.Write(b.Bytes())
	return err
}
