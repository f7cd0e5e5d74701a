package telemetry

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"unicode/utf8"
)

// MaxRecordBytes is the most output that becomes one log record. A longer line becomes several
// records, cut between characters; each is a valid JSON string of its own.
// It is the size at which CloudWatch Logs cuts.
const MaxRecordBytes = 256 << 10

// keptBytes is how much memory a writer that idles may hold.
const keptBytes = 4 << 10

// LineOption changes how a [LineWriter] makes records.
type LineOption func(*LineWriter)

// JSONObjects makes a line that is a JSON object an object in its event, as
// Lambda does for a function whose log format is JSON.
func JSONObjects() LineOption { return func(w *LineWriter) { w.objects = true } }

// LineWriter turns output of any size and shape into events, one a line. Empty
// lines are left out, as CloudWatch Logs has none; bytes that are not UTF-8
// become U+FFFD. A line without an end waits for its end, for [LineWriter.Flush],
// or for [MaxRecordBytes].
//
// Write never blocks and never fails. A LineWriter is safe for concurrent use:
// what one Write passes stays together. Writers whose half lines must not mix
// need a LineWriter each.
type LineWriter struct {
	stream  *Stream
	typ     Type
	objects bool

	mu      sync.Mutex
	pending []byte // a line without an end; at most MaxRecordBytes
}

// NewLineWriter publishes lines to s as events of type t.
func NewLineWriter(s *Stream, t Type, opts ...LineOption) *LineWriter {
	w := &LineWriter{stream: s, typ: t}
	for _, opt := range opts {
		opt(w)
	}
	return w
}

// Write takes all of p and returns its length.
func (w *LineWriter) Write(p []byte) (int, error) {
	n := len(p)
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.pending) == 0 && !w.stream.Wants(w.typ.Category()) {
		return n, nil
	}
	for {
		line, rest, ended := bytes.Cut(p, []byte{'\n'})
		if !ended {
			w.hold(p)
			return n, nil
		}
		if len(w.pending) == 0 && len(line) <= MaxRecordBytes {
			w.publish(line)
		} else {
			w.hold(line)
			w.publish(w.pending)
			w.pending = w.pending[:0]
		}
		p = rest
	}
}

// Flush publishes a line that has no end yet.
func (w *LineWriter) Flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.publish(w.pending)
	w.pending = w.pending[:0]
	if cap(w.pending) > keptBytes {
		w.pending = nil
	}
}

// hold appends to the line under way and publishes what no record can hold.
func (w *LineWriter) hold(p []byte) {
	for len(w.pending)+len(p) > MaxRecordBytes {
		n := MaxRecordBytes - len(w.pending)
		w.pending = append(w.pending, p[:n]...)
		p = p[n:]
		cut := runeBoundary(w.pending)
		w.publish(w.pending[:cut])
		w.pending = append(w.pending[:0], w.pending[cut:]...)
	}
	w.pending = append(w.pending, p...)
}

func (w *LineWriter) publish(line []byte) {
	line = bytes.TrimSuffix(line, []byte{'\r'})
	if len(line) == 0 || !w.stream.Wants(w.typ.Category()) {
		return
	}
	if w.objects && isObject(line) {
		w.stream.Publish(w.typ, json.RawMessage(bytes.Clone(line)))
		return
	}
	w.stream.Publish(w.typ, strings.ToValidUTF8(string(line), string(utf8.RuneError)))
}

// runeBoundary is where b can be cut without cutting a character: its length,
// or up to three bytes less.
func runeBoundary(b []byte) int {
	for i := len(b) - 1; i >= 0 && i >= len(b)-utf8.UTFMax; i-- {
		if utf8.RuneStart(b[i]) {
			if utf8.FullRune(b[i:]) {
				return len(b)
			}
			return i
		}
	}
	return len(b) // not UTF-8: any place is as good
}

func isObject(line []byte) bool {
	trimmed := bytes.TrimLeft(line, " \t")
	return len(trimmed) > 0 && trimmed[0] == '{' && utf8.Valid(line) && json.Valid(line)
}
