// Package async keeps events that were accepted for later: the queue behind
// invocation type Event.
//
// An event is on disk before [Queue.Enqueue] returns and leaves the disk when
// its invocation has ended, so it runs at least once: after a crash, events that
// were running run again under the same request id. Function errors are tried
// again after 1 and 2 minutes; throttles and errors of the host with a growing
// delay until the event is 6 hours old (Lambda developer guide, "Error handling
// for asynchronous invocation"). What cannot be delivered is dropped and logged.
//
// In memory there is one lane per function, and the lanes take turns
// (lanes.go): a function that is slow, throttled or failing keeps its own
// events waiting and nobody else's. run.go decides what an outcome means,
// record.go is the stored form. Read next: package invoke, which runs events.
package async

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"go.etcd.io/bbolt"

	"github.com/lambent-host/lambent/host/invoke"
	"github.com/lambent-host/lambent/host/store"
)

// Config tunes a queue; zero fields take the defaults named.
type Config struct {
	// Workers is how many events run at a time; 64.
	Workers int
	// RetryDelays is the wait before each further try after a function error;
	// 1 and 2 minutes. Empty but not nil means no further try.
	RetryDelays []time.Duration
	// ThrottleDelayMin and ThrottleDelayMax bound the doubling delay after a
	// throttle or an error of the host; 1 second and 5 minutes.
	ThrottleDelayMin, ThrottleDelayMax time.Duration
	// MaxAge is how old an event may become; 6 hours.
	MaxAge time.Duration
	// Now is the clock; time.Now. Timers always run on the real one.
	Now func() time.Time
}

func (c Config) withDefaults() Config {
	c.Workers = cmp.Or(c.Workers, 64)
	c.ThrottleDelayMin = cmp.Or(c.ThrottleDelayMin, time.Second)
	c.ThrottleDelayMax = cmp.Or(c.ThrottleDelayMax, 5*time.Minute)
	c.MaxAge = cmp.Or(c.MaxAge, 6*time.Hour)
	if c.RetryDelays == nil {
		c.RetryDelays = []time.Duration{time.Minute, 2 * time.Minute}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// Stats is the state of a queue at one moment.
type Stats struct {
	// Depth counts accepted events that are not finished: Running are being
	// invoked, Waiting wait for the time of their next try, the others for their
	// turn (a throttled function's among them).
	Depth, Running, Waiting int
	// OldestAge is the age of the oldest of them; 0 when there is none.
	OldestAge time.Duration
}

// Queue accepts events and runs them. Its methods are safe for concurrent use.
type Queue struct {
	st  *store.Store
	inv invoke.Invoker
	cfg Config
	log zerolog.Logger

	wake   chan struct{} // cap 1: there may be something to run
	start  sync.Once
	ctx    context.Context // of the invocations; ends when Shutdown gives up
	cancel context.CancelFunc
	work   sync.WaitGroup // the dispatcher and the events it runs

	mu       sync.Mutex
	lanes    lanes
	stopping bool
}

// Open reads the events that were accepted earlier. Nothing runs before Start.
func Open(st *store.Store, inv invoke.Invoker, cfg Config, log zerolog.Logger) (*Queue, error) {
	q := &Queue{st: st, inv: inv, cfg: cfg.withDefaults(), log: log, wake: make(chan struct{}, 1)}
	q.lanes.workers = q.cfg.Workers
	q.ctx, q.cancel = context.WithCancel(context.Background())
	now := q.cfg.Now()
	err := load(st, func(seq uint64, r *record) {
		ev := &event{seq: seq, enqueued: time.UnixMilli(r.Enqueued), attempts: r.Attempts}
		q.lanes.add(r.Function, ev)
		if due := time.UnixMilli(r.Due); r.Due > 0 && due.After(now) {
			q.lanes.wait(ev, due)
		} else {
			q.lanes.ready(ev)
		}
	}, func(seq uint64, err error) {
		q.log.Error().Err(err).Uint64("event", seq).Msg("stored event cannot be read and is left alone")
	})
	if err != nil {
		return nil, fmt.Errorf("open event queue: %w", err)
	}
	return q, nil
}

// Enqueue accepts an event: when it returns nil the event is on disk (after
// fsync) and will run at least once. It works before Start and after Shutdown
// too, as long as the store is open. The request's Tail and Async are ignored.
func (q *Queue) Enqueue(ctx context.Context, req *invoke.Request) error {
	if req.FunctionName == "" || req.RequestID == "" {
		return errors.New("enqueue event: function name and request id must be set")
	}
	now := q.cfg.Now()
	r := newRecord(req, now)
	var seq uint64
	if err := q.st.Update(ctx, func(tx *bbolt.Tx) (err error) {
		seq, err = r.insert(tx, req.Payload)
		return err
	}); err != nil {
		return fmt.Errorf("enqueue event: %w", err)
	}
	q.mu.Lock()
	ev := &event{seq: seq, enqueued: now}
	q.lanes.add(req.FunctionName, ev)
	q.lanes.ready(ev)
	q.mu.Unlock()
	q.signal()
	return nil
}

// Start begins to run events, in goroutines that Shutdown waits for.
func (q *Queue) Start() {
	q.start.Do(func() { q.work.Go(q.dispatch) })
}

// Shutdown stops taking events up and waits for those that run. When ctx ends
// first, their context is cancelled and Shutdown returns an error without
// waiting; they stay stored and run again at the next start. It may be called
// again, and without Start.
func (q *Queue) Shutdown(ctx context.Context) error {
	q.start.Do(func() {}) // a later Start must not add to work while it is waited for
	q.mu.Lock()
	q.stopping = true
	q.mu.Unlock()
	q.signal()
	idle := make(chan struct{})
	go func() {
		q.work.Wait()
		close(idle)
	}()
	select {
	case <-idle:
		q.cancel()
		return nil
	case <-ctx.Done():
		q.cancel()
		return fmt.Errorf("event queue: %d events were still running: %w", q.Stats().Running, ctx.Err())
	}
}

// Stats returns the state at this moment.
func (q *Queue) Stats() Stats {
	now := q.cfg.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.lanes.stats(now)
}

func (q *Queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// dispatch starts an event for every free worker, in the order of the lanes.
func (q *Queue) dispatch() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		next, stopping := q.startReady()
		if stopping {
			return
		}
		timer.Reset(next)
		select {
		case <-q.wake:
		case <-timer.C:
		}
	}
}

// startReady starts what can run now and returns the time until more could.
func (q *Queue) startReady() (next time.Duration, stopping bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.stopping {
		return 0, true
	}
	now := q.cfg.Now()
	q.lanes.elapse(now)
	for ev := q.lanes.take(); ev != nil; ev = q.lanes.take() {
		q.work.Go(func() { q.run(ev) })
	}
	return q.lanes.untilNext(now), false
}
