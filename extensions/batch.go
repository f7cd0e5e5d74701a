package extensions

import (
	"bytes"
	"io"
	"sync"
	"sync/atomic"

	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/telemetry"
)

// batch is events on their way to one destination, encoded one behind the other
// into the body as it is sent: a JSON array over HTTP, a line each over TCP.
type batch struct {
	body []byte
	ends []int // where the items end in it
	// events is how many events that is; one may be no item, or two.
	events int
	// Of the events those that tell of a loss, and what they tell.
	told                   int
	toldRecords, toldBytes int64

	readers atomic.Int32 // requests that may still read the body
}

// batches are those that have been sent: a subscription that idles holds none.
var batches = sync.Pool{New: func() any { return new(batch) }}

// separators stand behind each item.
const (
	separatorHTTP = ','
	separatorTCP  = '\n'
)

func newBatch(separator byte) *batch {
	b := batches.Get().(*batch)
	b.body, b.ends = b.body[:0], b.ends[:0]
	b.events, b.told, b.toldRecords, b.toldBytes = 0, 0, 0, 0
	if separator == separatorHTTP {
		b.body = append(b.body, '[')
	}
	return b
}

// release gives the batch back. A request that was given up may still be reading
// the body: then it is left to the garbage collector.
func (b *batch) release() {
	if b.readers.Load() == 0 && cap(b.body) <= 2*extapi.MaxBytes {
		batches.Put(b)
	}
}

// add appends an event. Where the batch would become larger than it may be, the
// event is in the batch that is returned instead. An event that the schema does not
// have is in neither.
func (b *batch) add(ev telemetry.Event, as telemetry.Encoding, limits extapi.Buffering) (next *batch, err error) {
	items, size := len(b.ends), len(b.body)
	b.body, b.ends, err = ev.Append(b.body, b.ends, as)
	if err != nil {
		return nil, err
	}
	switch {
	case len(b.ends) == items:
	case items > 0 && (len(b.body) > limits.MaxBytes || len(b.ends) > limits.MaxItems):
		next = newBatch(as.Separator)
		moved := len(next.body) - size
		next.body = append(next.body, b.body[size:]...)
		for _, end := range b.ends[items:] {
			next.ends = append(next.ends, end+moved)
		}
		b.body, b.ends = b.body[:size], b.ends[:items]
		next.count(ev)
	default:
		b.count(ev)
	}
	return next, nil
}

func (b *batch) count(ev telemetry.Event) {
	b.events++
	if r, ok := ev.Record.(telemetry.LogsDropped); ok {
		b.told++
		b.toldRecords += r.DroppedRecords
		b.toldBytes += r.DroppedBytes
	}
}

func (b *batch) empty() bool { return len(b.ends) == 0 }

func (b *batch) full(limits extapi.Buffering) bool {
	return len(b.ends) >= limits.MaxItems || len(b.body) >= limits.MaxBytes
}

// array is the body as a JSON array.
func (b *batch) array() []byte {
	b.body[len(b.body)-1] = ']' // instead of the last separator
	return b.body
}

// lines is the body as lines.
func (b *batch) lines() []byte { return b.body }

// items returns the events one by one.
func (b *batch) items() [][]byte {
	items := make([][]byte, 0, len(b.ends))
	begin := 0
	if b.body[0] == '[' {
		begin = 1
	}
	for _, end := range b.ends {
		items = append(items, b.body[begin:end:end])
		begin = end + 1
	}
	return items
}

// reader lets a request read bytes of the batch. A request may go on reading
// after its answer has come or its time is over, and closes the reader when it has
// let go of it.
func (b *batch) reader(body []byte) io.ReadCloser {
	b.readers.Add(1)
	return &bodyReader{Reader: bytes.NewReader(body), readers: &b.readers}
}

type bodyReader struct {
	*bytes.Reader
	readers *atomic.Int32
	once    sync.Once
}

func (r *bodyReader) Close() error {
	r.once.Do(func() { r.readers.Add(-1) })
	return nil
}
