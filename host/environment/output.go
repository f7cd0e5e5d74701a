package environment

import (
	"io"

	"github.com/lambent-host/lambent/host/catalogue"
	"github.com/lambent-host/lambent/telemetry"
)

// logFormatJSON is LoggingConfig's LogFormat for structured logs.
const logFormatJSON = "JSON"

// output takes what the function writes: every line becomes an event of the
// stream, and the end of it is kept for the caller.
type output struct {
	tail           *tail
	stdout, stderr io.Writer
	lines          []*telemetry.LineWriter
	tails          []*tailLines // of a JSON log
}

// newOutput gives stdout and stderr a line writer each: half a line on one must
// not be completed by the other. With the log format JSON a line that is a JSON
// object becomes a record that is one.
func newOutput(stream *telemetry.Stream, logging catalogue.Logging) *output {
	o := &output{tail: &tail{records: logging.Format == logFormatJSON}}
	o.stdout = o.writer(stream, logging)
	o.stderr = o.writer(stream, logging)
	return o
}

func (o *output) writer(stream *telemetry.Stream, logging catalogue.Logging) io.Writer {
	if !o.tail.records {
		lines := telemetry.NewLineWriter(stream, telemetry.TypeFunction)
		o.lines = append(o.lines, lines)
		return io.MultiWriter(lines, o.tail)
	}
	lines := telemetry.NewLineWriter(stream, telemetry.TypeFunction, telemetry.JSONObjects())
	tailed := &tailLines{tail: o.tail, level: logging.ApplicationLevel}
	o.lines, o.tails = append(o.lines, lines), append(o.tails, tailed)
	return io.MultiWriter(lines, tailed)
}

// flush sends lines that were not ended. Between invocations nothing is held back.
func (o *output) flush() {
	for _, w := range o.lines {
		w.Flush()
	}
	for _, w := range o.tails {
		w.flush()
	}
}
