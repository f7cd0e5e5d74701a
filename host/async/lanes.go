package async

import (
	"container/heap"
	"time"
)

// event is an accepted event in memory; its payload stays on disk.
type event struct {
	seq      uint64
	lane     *lane
	enqueued time.Time
	attempts int  // tries that ended in a function error
	refusals int  // errors of the host in a row, since the last start
	finished bool // out of the queue
	obsolete bool // has run, but could not be deleted from the store yet
}

// lane holds the events of one function. A lane with ready events is in the
// ring, unless take has put it aside because it is paused.
type lane struct {
	function  string
	ready     bySeq
	events    int // all of the lane's: ready, waiting, running
	running   int
	inRing    bool
	pausedTil time.Time // zero: not paused
	throttles int       // in a row
}

// lanes decides whose event runs next. The zero value works once workers is
// set. It is not safe for concurrent use.
//
// The lanes take turns, one event each. A lane that runs events already may
// take another worker only while more workers are free than it holds: alone it
// gets half of them, so a second function always finds some, and so does a
// third. Without that, a slow function with a long backlog would hold every
// worker.
type lanes struct {
	workers int

	byName  map[string]*lane
	ring    fifo[*lane]
	timers  byDue
	order   fifo[*event] // in the order of acceptance, finished ones included
	depth   int
	running int
	waiting int
}

// add makes a lane for the event if needed; ready or wait must follow.
func (l *lanes) add(function string, ev *event) {
	if l.byName == nil {
		l.byName = make(map[string]*lane)
	}
	ln := l.byName[function]
	if ln == nil {
		ln = &lane{function: function}
		l.byName[function] = ln
	}
	ev.lane = ln
	ln.events++
	l.depth++
	l.order.push(ev)
}

// ready lets an event that is not running take its turn.
func (l *lanes) ready(ev *event) {
	heap.Push(&ev.lane.ready, ev)
	l.enter(ev.lane)
}

// enter puts a lane with ready events into the ring; take looks at the rest.
func (l *lanes) enter(ln *lane) {
	if !ln.inRing && len(ln.ready) > 0 {
		ln.inRing = true
		l.ring.push(ln)
	}
}

// wait keeps an event that is not running until due.
func (l *lanes) wait(ev *event, due time.Time) {
	l.waiting++
	heap.Push(&l.timers, timer{due: due, ev: ev})
}

// pause stops a lane until due; no effect on one that is paused.
func (l *lanes) pause(ln *lane, due time.Time) {
	if ln.pausedTil.IsZero() {
		ln.pausedTil = due
		heap.Push(&l.timers, timer{due: due, lane: ln})
	}
}

// elapse ends the waits and pauses that are due.
func (l *lanes) elapse(now time.Time) {
	for len(l.timers) > 0 && !l.timers[0].due.After(now) {
		t := heap.Pop(&l.timers).(timer)
		if t.lane != nil {
			t.lane.pausedTil = time.Time{}
			l.enter(t.lane)
			continue
		}
		l.waiting--
		l.ready(t.ev)
	}
}

// untilNext is the time until elapse has something to do; an hour at most.
func (l *lanes) untilNext(now time.Time) time.Duration {
	if len(l.timers) == 0 {
		return time.Hour
	}
	return min(max(l.timers[0].due.Sub(now), 0), time.Hour)
}

// take returns the next event to run and counts it as running; nil when none
// may run now.
func (l *lanes) take() *event {
	for range l.ring.len() {
		free := l.workers - l.running
		if free <= 0 {
			return nil
		}
		ln := l.ring.pop()
		ln.inRing = false
		if len(ln.ready) == 0 || !ln.pausedTil.IsZero() {
			continue // enters again with its next event or the end of its pause
		}
		if ln.running > 0 && ln.running >= free {
			l.enter(ln)
			continue
		}
		ev := heap.Pop(&ln.ready).(*event)
		ln.running++
		l.running++
		l.enter(ln)
		return ev
	}
	return nil
}

// stopped ends the count of take; ready, wait or finish must follow.
func (l *lanes) stopped(ev *event) {
	ev.lane.running--
	l.running--
}

// finish takes an event out of the queue.
func (l *lanes) finish(ev *event) {
	ev.finished = true
	l.depth--
	if ev.lane.events--; ev.lane.events == 0 && ev.lane.pausedTil.IsZero() {
		delete(l.byName, ev.lane.function)
	}
	l.oldest() // keep order from growing
}

// oldest is the event accepted first; nil when the queue is empty.
func (l *lanes) oldest() *event {
	for l.order.len() > 0 {
		if ev := l.order.first(); !ev.finished {
			return ev
		}
		l.order.pop()
	}
	return nil
}

func (l *lanes) stats(now time.Time) Stats {
	s := Stats{Depth: l.depth, Running: l.running, Waiting: l.waiting}
	if ev := l.oldest(); ev != nil {
		s.OldestAge = max(now.Sub(ev.enqueued), 0)
	}
	return s
}
