package environment

import (
	"io"
	"sync"

	"github.com/lambent-host/lambent/telemetry"
)

// TailBytes is how much of the log an invocation's caller can ask for, from the
// Lambda API's LogType Tail.
const TailBytes = 4096

// logFormatJSON is LoggingConfig's LogFormat for structured logs.
const logFormatJSON = "JSON"

// output takes what the function writes: every line becomes an event of the
// stream, and the end of it is kept for the caller.
type output struct {
	tail           *tail
	stdout, stderr io.Writer
	lines          []*telemetry.LineWriter
}

// newOutput gives stdout and stderr a line writer each: half a line on one must
// not be completed by the other. With the log format JSON a line that is a JSON
// object becomes a record that is one.
func newOutput(stream *telemetry.Stream, format string) *output {
	o := &output{tail: new(tail)}
	var options []telemetry.LineOption
	if format == logFormatJSON {
		options = append(options, telemetry.JSONObjects())
	}
	out := telemetry.NewLineWriter(stream, telemetry.TypeFunction, options...)
	err := telemetry.NewLineWriter(stream, telemetry.TypeFunction, options...)
	o.lines = []*telemetry.LineWriter{out, err}
	o.stdout = io.MultiWriter(out, o.tail)
	o.stderr = io.MultiWriter(err, o.tail)
	return o
}

// flush sends lines that were not ended. Between invocations nothing is held back.
func (o *output) flush() {
	for _, w := range o.lines {
		w.Flush()
	}
}

// tail keeps the last TailBytes that were written. It is safe for concurrent use.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

// Write keeps the end of p and never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	kept := p[max(0, len(p)-TailBytes):]
	t.buf = append(t.buf, kept...)
	if over := len(t.buf) - TailBytes; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(p), nil
}

// line writes a line of the platform; one that the function left unended is
// ended first.
func (t *tail) line(text string) {
	t.mu.Lock()
	open := len(t.buf) > 0 && t.buf[len(t.buf)-1] != '\n'
	t.mu.Unlock()
	if open {
		text = "\n" + text
	}
	_, _ = t.Write([]byte(text + "\n")) // never fails
}

func (t *tail) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = t.buf[:0]
}

func (t *tail) bytes() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]byte(nil), t.buf...)
}
