package async

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"go.etcd.io/bbolt"
	"go.uber.org/goleak"

	"github.com/lambent-host/lambent/host/invoke"
	"github.com/lambent-host/lambent/host/store"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("LAMBENT_TEST_CRASH_DIR"); dir != "" {
		crashChild(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

var ctx = context.Background()

// invoker answers invocations with a function and keeps count.
type invoker struct {
	answer func(ctx context.Context, req *invoke.Request) (*invoke.Outcome, error)

	mu    sync.Mutex
	calls []call
}

type call struct {
	req *invoke.Request
	at  time.Time
}

func (i *invoker) Invoke(ctx context.Context, req *invoke.Request) (*invoke.Outcome, error) {
	i.mu.Lock()
	i.calls = append(i.calls, call{req, time.Now()})
	i.mu.Unlock()
	return i.answer(ctx, req)
}

// times are the offsets of the calls of one request since start.
func (i *invoker) times(id string, start time.Time) (offsets []time.Duration) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, c := range i.calls {
		if c.req.RequestID == id {
			offsets = append(offsets, c.at.Sub(start))
		}
	}
	return offsets
}

func (i *invoker) ids() (ids []string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, c := range i.calls {
		ids = append(ids, c.req.RequestID)
	}
	return ids
}

func ok(context.Context, *invoke.Request) (*invoke.Outcome, error) { return &invoke.Outcome{}, nil }

func failing(context.Context, *invoke.Request) (*invoke.Outcome, error) {
	return &invoke.Outcome{FunctionError: "Unhandled"}, nil
}

// throttle stands for admission.ThrottledError, notReady and notFound for the catalogue's.
type (
	throttle struct{ error }
	notReady struct{ error }
	notFound struct{ error }
)

func (throttle) Throttled() bool { return true }
func (notReady) NotReady() bool  { return true }
func (notFound) NotFound() bool  { return true }

func openStore(t testing.TB, dir string) *store.Store {
	t.Helper()
	st, err := store.Open(filepath.Join(dir, "lambent.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// log collects operator log lines.
type log struct {
	mu    sync.Mutex
	lines []string
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(p))
	return len(p), nil
}

func (l *log) has(parts ...string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.lines, func(line string) bool {
		for _, p := range parts {
			if !strings.Contains(line, p) {
				return false
			}
		}
		return true
	})
}

// rig is a queue with its surroundings.
type rig struct {
	*Queue
	t   testing.TB
	st  *store.Store
	inv *invoker
	log *log
}

func newRig(t testing.TB, dir string, cfg Config, answer func(context.Context, *invoke.Request) (*invoke.Outcome, error)) *rig {
	t.Helper()
	r := &rig{t: t, st: openStore(t, dir), inv: &invoker{answer: answer}, log: &log{}}
	var err error
	if r.Queue, err = Open(r.st, r.inv, cfg, zerolog.New(r.log)); err != nil {
		t.Fatal(err)
	}
	return r
}

// end shuts down and closes the store.
func (r *rig) end() {
	r.t.Helper()
	if err := errors.Join(r.Shutdown(ctx), r.st.Close()); err != nil {
		r.t.Error(err)
	}
}

func (r *rig) enqueue(function, id string) {
	r.t.Helper()
	if err := r.Enqueue(ctx, &invoke.Request{RequestID: id, FunctionName: function, Payload: []byte(`{"id":"` + id + `"}`)}); err != nil {
		r.t.Fatal(err)
	}
}

// stored counts the events in the store, and checks that payloads match.
func (r *rig) stored() (n int) {
	r.t.Helper()
	if err := r.st.View(func(tx *bbolt.Tx) error {
		n = tx.Bucket(eventsBucket).Stats().KeyN
		if p := tx.Bucket(payloadBucket).Stats().KeyN; p != n {
			return fmt.Errorf("%d events but %d payloads", n, p)
		}
		return nil
	}); err != nil {
		r.t.Error(err)
	}
	return n
}

func TestAnEventArrivesWhole(t *testing.T) {
	dir := t.TempDir()
	r := newRig(t, dir, Config{}, ok)
	req := &invoke.Request{
		RequestID: "r1", FunctionName: "fn", Qualifier: "live", Payload: []byte(`{"a":1}`),
		ClientContext: `{"c":2}`, TraceID: "Root=1-2-3", Tail: true,
	}
	if err := r.Enqueue(ctx, req); err != nil {
		t.Fatal(err)
	}
	r.end()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, dir, Config{}, ok) // it comes from the disk
		r.Start()
		r.idle()
		r.end()
		if len(r.inv.calls) != 1 {
			t.Fatalf("%d calls, want 1", len(r.inv.calls))
		}
		got := r.inv.calls[0].req
		want := *req
		want.Tail, want.Async = false, true
		if string(got.Payload) != string(want.Payload) {
			t.Errorf("payload is %s", got.Payload)
		}
		got.Payload, want.Payload = nil, nil
		if fmt.Sprintf("%+v", *got) != fmt.Sprintf("%+v", want) {
			t.Errorf("request is %+v, want %+v", *got, want)
		}
	})
}

// waitFor polls in a bubble without letting its clock run: goroutines that wait
// for the disk do not count as idle, so synctest.Wait waits for them too.
func waitFor(t testing.TB, done func() bool) {
	t.Helper()
	for range 1000 {
		synctest.Wait()
		if done() {
			return
		}
	}
	t.Fatal("what was waited for does not happen")
}

// idle waits, in a bubble, until nothing is in the queue.
func (r *rig) idle() {
	r.t.Helper()
	for range 100_000 {
		if r.Stats().Depth == 0 {
			return
		}
		time.Sleep(time.Second) // fake time
	}
	r.t.Fatalf("queue does not empty: %+v", r.Stats())
}

func TestEnqueueRefusesWhatCannotRun(t *testing.T) {
	r := newRig(t, t.TempDir(), Config{}, ok)
	for _, req := range []*invoke.Request{{RequestID: "r"}, {FunctionName: "fn"}} {
		if err := r.Enqueue(ctx, req); err == nil {
			t.Errorf("%+v was accepted", req)
		}
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := r.Enqueue(ended, &invoke.Request{RequestID: "r", FunctionName: "fn"}); !errors.Is(err, context.Canceled) {
		t.Errorf("ended context: %v", err)
	}
	r.end()
	if err := r.Enqueue(ctx, &invoke.Request{RequestID: "r", FunctionName: "fn"}); !errors.Is(err, store.ErrClosed) {
		t.Errorf("closed store: %v", err)
	}
	if d := r.Stats().Depth; d != 0 {
		t.Errorf("depth is %d after refusals", d)
	}
}

func TestStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		r := newRig(t, t.TempDir(), Config{Workers: 1}, func(_ context.Context, req *invoke.Request) (*invoke.Outcome, error) {
			if req.RequestID == "fails" {
				return failing(context.Background(), nil)
			}
			<-gate
			return &invoke.Outcome{}, nil
		})
		if s := r.Stats(); s != (Stats{}) {
			t.Errorf("empty: %+v", s)
		}
		r.enqueue("a", "fails")
		r.Start()
		waitFor(t, func() bool { return r.Stats().Waiting == 1 })
		time.Sleep(10 * time.Second)
		r.enqueue("b", "runs")
		r.enqueue("b", "queued")
		waitFor(t, func() bool { return r.Stats().Running == 1 })
		if s := r.Stats(); s != (Stats{Depth: 3, Running: 1, Waiting: 1, OldestAge: 10 * time.Second}) {
			t.Errorf("stats are %+v", s)
		}
		close(gate)
		r.idle()
		if n := r.stored(); n != 0 {
			t.Errorf("%d events left", n)
		}
		r.end()
	})
}
