package extensions

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/telemetry"
)

// TestBatchesAreBounded adds records of many sizes: no body is larger than it may
// be but for one with a single record, and together they are what was added.
func TestBatchesAreBounded(t *testing.T) {
	limits := extapi.Buffering{MaxItems: 50, MaxBytes: 5000}
	random := rand.New(rand.NewPCG(1, 2))
	for _, schema := range []telemetry.Schema{telemetry.Schema20221213, telemetry.LogsSchema20200815} {
		for _, sep := range []byte{separatorHTTP, separatorTCP} {
			as := telemetry.Encoding{Schema: schema, Separator: sep}
			var want, got []string
			b := newBatch(sep)
			sent := func(b *batch) {
				body := b.lines()
				if sep == separatorHTTP {
					body = b.array()
					var all []json.RawMessage
					if err := json.Unmarshal(body, &all); err != nil || len(all) != len(b.ends) {
						t.Fatalf("%.100s: %d, %v", body, len(all), err)
					}
				}
				if len(b.ends) > limits.MaxItems || len(body) > limits.MaxBytes && len(b.ends) > 1 {
					t.Errorf("%d items, %d bytes", len(b.ends), len(body))
				}
				for _, item := range b.items() {
					got = append(got, string(item))
				}
				b.release()
			}
			for i := range 3000 {
				ev := telemetry.Event{Type: telemetry.TypeFunction, Record: fmt.Sprint(i, strings.Repeat("x", random.IntN(1+random.IntN(7000))))}
				switch i % 10 {
				case 0:
					ev = telemetry.Event{Type: telemetry.TypeReport, Record: telemetry.Report{RequestID: fmt.Sprint(i)}}
				case 1:
					ev = telemetry.Event{Type: telemetry.TypeInitStart, Record: telemetry.InitStart{}}
				case 2:
					ev.Record = "" // small ones, to reach the bound of items
				}
				for _, form := range ev.Forms(schema) {
					text, err := form.Encode(schema)
					if err != nil {
						t.Fatal(err)
					}
					want = append(want, string(text))
				}
				next, err := b.add(ev, as, limits)
				if err != nil {
					t.Fatal(err)
				}
				if next != nil {
					sent(b)
					b = next
				}
				if b.full(limits) {
					sent(b)
					b = newBatch(sep)
				}
			}
			sent(b)
			if strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("%s: %d items went in, %d came out, or others", schema, len(want), len(got))
			}
		}
	}
}

// TestABodyThatIsReadIsNotUsedAgain gives up a batch whose body a request still has.
func TestABodyThatIsReadIsNotUsedAgain(t *testing.T) {
	b := newBatch(separatorHTTP)
	b.body = append(b.body, "{},"...)
	b.ends = append(b.ends, 3)
	reader := b.reader(b.array())
	b.release()
	for range 100 {
		other := newBatch(separatorHTTP)
		if &other.body[0] == &b.body[0] {
			t.Fatal("another batch has the body")
		}
	}
	var read bytes.Buffer
	if _, err := read.ReadFrom(reader); err != nil || read.String() != "[{}]" {
		t.Errorf("%s, %v", &read, err)
	}
	for range 2 { // a second Close does nothing
		if err := reader.Close(); err != nil || b.readers.Load() != 0 {
			t.Errorf("%d readers, %v", b.readers.Load(), err)
		}
	}
}
