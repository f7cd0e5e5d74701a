package async

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"github.com/lambent-host/lambent/host/invoke"
	"github.com/lambent-host/lambent/host/store"
)

// Buckets, both keyed by sequence number (8 bytes, big endian). Payloads are
// apart so that the scan at start does not touch them.
var (
	eventsBucket  = []byte("async.events")
	payloadBucket = []byte("async.payloads")
)

// schema numbers the stored form. Raise it with every change an older program
// would misread.
var schema = store.Schema{Owner: "async", Number: 1, Buckets: [][]byte{eventsBucket, payloadBucket}}

// record is the stored form of an event without its payload.
type record struct {
	RequestID     string `json:"request_id"`
	Function      string `json:"function"`
	Qualifier     string `json:"qualifier,omitempty"`
	ClientContext string `json:"client_context,omitempty"`
	TraceID       string `json:"trace_id,omitempty"`
	Enqueued      int64  `json:"enqueued_ms"`
	Attempts      int    `json:"attempts,omitempty"`
	Due           int64  `json:"due_ms,omitempty"` // of the next try; 0: at once
}

func newRecord(req *invoke.Request, now time.Time) *record {
	return &record{
		RequestID: req.RequestID, Function: req.FunctionName, Qualifier: req.Qualifier,
		ClientContext: req.ClientContext, TraceID: req.TraceID, Enqueued: now.UnixMilli(),
	}
}

func (r *record) request(payload []byte) *invoke.Request {
	return &invoke.Request{
		RequestID: r.RequestID, FunctionName: r.Function, Qualifier: r.Qualifier,
		ClientContext: r.ClientContext, TraceID: r.TraceID, Payload: payload, Async: true,
	}
}

func key(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

// insert stores a new event under the next number.
func (r *record) insert(tx *bbolt.Tx, payload []byte) (seq uint64, err error) {
	events := tx.Bucket(eventsBucket)
	if seq, err = events.NextSequence(); err != nil {
		return 0, err
	}
	if err := r.put(tx, seq); err != nil {
		return 0, err
	}
	return seq, tx.Bucket(payloadBucket).Put(key(seq), payload)
}

func (r *record) put(tx *bbolt.Tx, seq uint64) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return tx.Bucket(eventsBucket).Put(key(seq), b)
}

func remove(tx *bbolt.Tx, seq uint64) error {
	return errors.Join(tx.Bucket(eventsBucket).Delete(key(seq)), tx.Bucket(payloadBucket).Delete(key(seq)))
}

// fetch reads one event with a copy of its payload.
func fetch(st *store.Store, seq uint64) (r *record, payload []byte, err error) {
	err = st.View(func(tx *bbolt.Tx) error {
		if r, err = decode(tx.Bucket(eventsBucket).Get(key(seq))); err != nil {
			return err
		}
		stored := tx.Bucket(payloadBucket).Get(key(seq))
		if stored == nil {
			return fmt.Errorf("%w: no payload", errDamaged)
		}
		payload = append([]byte{}, stored...)
		return nil
	})
	return r, payload, err
}

// errDamaged marks an event that will never be readable.
var errDamaged = errors.New("event is damaged")

func decode(b []byte) (*record, error) {
	var r record
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	if r.Function == "" || r.RequestID == "" {
		return nil, fmt.Errorf("%w: no function or request id", errDamaged)
	}
	return &r, nil
}

// load prepares the buckets and hands every event to yield, in order, and those
// that cannot be read to skip.
func load(st *store.Store, yield func(seq uint64, r *record), skip func(seq uint64, err error)) error {
	if err := st.Update(context.Background(), schema.Prepare); err != nil {
		return err
	}
	return st.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(eventsBucket).ForEach(func(k, value []byte) error {
			if len(k) != 8 {
				return fmt.Errorf("event key %x is not a number", k)
			}
			seq := binary.BigEndian.Uint64(k)
			if r, err := decode(value); err != nil {
				skip(seq, err)
			} else {
				yield(seq, r)
			}
			return nil
		})
	})
}
