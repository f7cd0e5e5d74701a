package environment

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"sync"
)

// TailBytes is how much of the log an invocation's caller can ask for, from the
// Lambda API's LogType Tail.
const TailBytes = 4096

// tail keeps the end of an invocation's log while somebody has asked for it:
// bytes of a text log, whole records of a JSON one, as Lambda does. It is safe
// for concurrent use.
type tail struct {
	records bool // the log is JSON: a line is kept as a whole or not at all

	mu      sync.Mutex
	open    bool
	buf     []byte
	lengths []int // of the records in buf
}

// begin makes the tail empty, and deaf if nobody has asked for it.
func (t *tail) begin(asked bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open, t.buf, t.lengths = asked, t.buf[:0], t.lengths[:0]
}

// asked tells whether the tail listens.
func (t *tail) asked() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.open
}

// Write keeps the end of p and never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open {
		t.keep(p)
	}
	return len(p), nil
}

func (t *tail) keep(p []byte) {
	t.buf = append(t.buf, p[max(0, len(p)-TailBytes):]...)
	if over := len(t.buf) - TailBytes; over > 0 {
		t.buf = slices.Delete(t.buf, 0, over)
	}
}

// line writes a line of the platform; one that the function left unended is
// ended first.
func (t *tail) line(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.open {
		return
	}
	if t.records {
		t.record([]byte(text))
		return
	}
	if len(t.buf) > 0 && t.buf[len(t.buf)-1] != '\n' {
		text = "\n" + text
	}
	t.keep([]byte(text + "\n"))
}

// record keeps a line of a JSON log. One that is larger than the tail is left out.
func (t *tail) record(text []byte) {
	length := len(text) + 1
	if length > TailBytes {
		return
	}
	drop := 0
	for len(t.buf)-drop+length > TailBytes {
		drop += t.lengths[0]
		t.lengths = t.lengths[1:]
	}
	t.buf = append(append(slices.Delete(t.buf, 0, drop), text...), '\n')
	t.lengths = append(t.lengths, length)
}

func (t *tail) bytes() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return bytes.Clone(t.buf)
}

// levels are those of LoggingConfig, from the least to the most severe.
var levels = []string{"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"}

// atLeast tells whether a log whose least level is threshold has what is of level.
func atLeast(level, threshold string) bool {
	return slices.Index(levels, level) >= slices.Index(levels, threshold)
}

// lineLevel is the level of a line in a JSON log: the one it names if it is an
// object that does, else INFO (developer guide, "Log-level filtering").
func lineLevel(line []byte) string {
	var object struct {
		Level string `json:"level"`
	}
	if line[0] == '{' && json.Unmarshal(line, &object) == nil {
		if level := strings.ToUpper(object.Level); slices.Contains(levels, level) {
			return level
		}
	}
	return "INFO"
}

// tailLines brings the lines of one of the function's outputs to the tail of a
// JSON log, but for those below the function's level. The instance writes, and
// its environment flushes between its calls: never at once.
type tailLines struct {
	tail    *tail
	level   string
	pending []byte
}

// Write never fails.
func (l *tailLines) Write(p []byte) (int, error) {
	if !l.tail.asked() {
		return len(p), nil
	}
	n := len(p)
	for {
		line, rest, ended := bytes.Cut(p, []byte{'\n'})
		if len(l.pending) <= TailBytes { // a longer line is left out anyway
			l.pending = append(l.pending, line...)
		}
		if !ended {
			return n, nil
		}
		l.flush()
		p = rest
	}
}

// flush ends the line under way.
func (l *tailLines) flush() {
	line := bytes.TrimSpace(l.pending)
	if len(line) > 0 && atLeast(lineLevel(line), l.level) {
		l.tail.line(string(line))
	}
	l.pending = l.pending[:0]
}
