package async

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"

	"github.com/lambent-host/lambent/host/invoke"
	"github.com/lambent-host/lambent/host/store"
)

// Why an event was dropped; the first two are Lambda's names for the condition
// of a destination record.
const (
	dropRetries  = "RetriesExhausted"
	dropAge      = "EventAgeExceeded"
	dropNotFound = "FunctionNotFound"
	dropDamaged  = "EventDamaged"
)

// run invokes one event and decides what becomes of it.
func (q *Queue) run(ev *event) {
	defer q.signal()
	if ev.obsolete {
		q.forget(ev)
		return
	}
	r, payload, err := fetch(q.st, ev.seq)
	switch {
	case errors.Is(err, errDamaged):
		q.drop(ev, &record{}, dropDamaged, err)
		return
	case err != nil: // the store is closed or cannot be read
		q.hostFailed(ev, &record{}, err)
		return
	case q.cfg.Now().Sub(ev.enqueued) > q.cfg.MaxAge:
		q.drop(ev, r, dropAge, nil)
		return
	}
	outcome, err := q.invoke(r.request(payload))
	switch {
	case err == nil && outcome.FunctionError == "":
		q.calm(ev)
		q.forget(ev)
	case err == nil, unrestored(err):
		q.calm(ev)
		q.functionFailed(ev, r)
	case q.ctx.Err() != nil: // Shutdown gave up on it: it stays stored as it is
		q.put(ev, func() { q.lanes.ready(ev) })
	case gone(err):
		q.drop(ev, r, dropNotFound, err)
	case later(err):
		q.throttled(ev)
	default:
		q.hostFailed(ev, r, err)
	}
}

// invoke turns a panic of the invoker into an error: the event would be taken
// up again by the next start and end that one too.
func (q *Queue) invoke(req *invoke.Request) (outcome *invoke.Outcome, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic while an event was invoked: %v\n%s", p, debug.Stack())
		}
	}()
	return q.inv.Invoke(q.ctx, req)
}

// gone tells whether the function does not exist any more.
func gone(err error) bool {
	var e interface{ NotFound() bool }
	return errors.As(err, &e) && e.NotFound()
}

// unrestored tells whether the function's own hook kept it from being restored
// from its snapshot: that is a failure of the function, and not of the host.
func unrestored(err error) bool {
	var e *invoke.RestoreError
	return errors.As(err, &e)
}

// later tells whether the function, not the event, has to wait: it is throttled
// or still being created.
func later(err error) bool {
	var throttled interface{ Throttled() bool }
	var notReady interface{ NotReady() bool }
	return errors.As(err, &throttled) && throttled.Throttled() ||
		errors.As(err, &notReady) && notReady.NotReady()
}

// put moves an event that has stopped running; move runs under the lock.
func (q *Queue) put(ev *event, move func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lanes.stopped(ev)
	move()
}

// calm notes that the function could be invoked, and the host worked.
func (q *Queue) calm(ev *event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	ev.lane.throttles, ev.refusals = 0, 0
}

// forget deletes an event that is finished. A store that cannot delete (a full
// disk) is asked again later; until then only memory knows that it has run.
func (q *Queue) forget(ev *event) {
	err := q.st.Update(context.Background(), func(tx *bbolt.Tx) error { return remove(tx, ev.seq) })
	if err == nil || errors.Is(err, store.ErrClosed) {
		q.put(ev, func() { q.lanes.finish(ev) })
		return
	}
	q.log.Error().Err(err).Uint64("event", ev.seq).Msg("finished event cannot be deleted")
	q.put(ev, func() {
		ev.obsolete = true
		q.lanes.wait(ev, q.cfg.Now().Add(q.cfg.ThrottleDelayMax))
	})
}

// drop gives an event up and tells the operator.
func (q *Queue) drop(ev *event, r *record, reason string, cause error) {
	q.log.Warn().Err(cause).Str("function", ev.lane.function).Str("request_id", r.RequestID).Str("reason", reason).
		Int("attempts", ev.attempts).Dur("age", q.cfg.Now().Sub(ev.enqueued)).Msg("asynchronous event dropped")
	q.forget(ev)
}

// functionFailed plans the next try, if there is one.
func (q *Queue) functionFailed(ev *event, r *record) {
	ev.attempts++
	if ev.attempts > len(q.cfg.RetryDelays) {
		q.drop(ev, r, dropRetries, nil)
		return
	}
	due := q.cfg.Now().Add(q.cfg.RetryDelays[ev.attempts-1])
	if q.tooOld(ev, due) {
		q.drop(ev, r, dropAge, nil)
		return
	}
	r.Attempts, r.Due = ev.attempts, due.UnixMilli()
	if err := q.st.Update(context.Background(), func(tx *bbolt.Tx) error { return r.put(tx, ev.seq) }); err != nil {
		// Not fatal: after a crash the event would have a try more.
		q.log.Error().Err(err).Str("request_id", r.RequestID).Msg("failed try of an event cannot be noted")
	}
	q.put(ev, func() { q.lanes.wait(ev, due) })
}

// throttled pauses the function's lane; no try is spent. The event is the first
// to run when the pause is over.
func (q *Queue) throttled(ev *event) {
	q.put(ev, func() {
		if ln := ev.lane; ln.pausedTil.IsZero() { // else a neighbour was refused just before
			ln.throttles++
			q.lanes.pause(ln, q.cfg.Now().Add(q.delay(ln.throttles)))
		}
		q.lanes.ready(ev)
	})
}

// hostFailed lets the event alone wait: what broke the host may be in it.
func (q *Queue) hostFailed(ev *event, r *record, cause error) {
	ev.refusals++
	due := q.cfg.Now().Add(q.delay(ev.refusals))
	if q.tooOld(ev, due) {
		q.drop(ev, r, dropAge, cause)
		return
	}
	q.log.Error().Err(cause).Str("function", ev.lane.function).Str("request_id", r.RequestID).
		Time("next", due).Msg("asynchronous event could not be run")
	q.put(ev, func() { q.lanes.wait(ev, due) })
}

// tooOld looks ahead, as the service does: an event that will be too old when
// its next try is due is given up at once.
func (q *Queue) tooOld(ev *event, due time.Time) bool {
	return due.Sub(ev.enqueued) > q.cfg.MaxAge
}

// delay is the n-th (from 1) of the doubling delays.
func (q *Queue) delay(n int) time.Duration {
	d := q.cfg.ThrottleDelayMin
	for ; n > 1 && d < q.cfg.ThrottleDelayMax; n-- {
		d *= 2
	}
	return min(d, q.cfg.ThrottleDelayMax)
}
