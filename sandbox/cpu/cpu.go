// Package cpu decides which guest runs, and for how long. A [Scheduler] hands out
// turns, as many at a time as it has slots; an [Account] is what one environment
// has used, what it is owed, and what it may use at most.
//
// Guests cannot be preempted. They come here of their own accord, after each
// quantum of fuel and around everything that blocks, and everything is decided
// then: how much CPU time the segment took, by the clock of the thread it ran on
// and not by the wall's; whether the account has to wait until its quota allows
// more; whether somebody else is owed the slot.
//
// # Quota
//
// A token bucket of CPU time is filled at the account's share of one CPU and holds
// what is due in one [Period]. A segment takes what it used, into debt if need be;
// in debt, the guest waits until a part of a period is paid for. What is measured
// is charged, so the rate is kept in the long run however long a segment was.
//
// # Fairness
//
// Among those that want a slot, the one goes next that has been served least in
// proportion to its share (stride scheduling). Who comes back after a rest is no
// further behind than those who are there: rest cannot be saved up.
//
// Strictly, an invocation of a tenth of a millisecond would have to wait for a
// quantum of each guest that spins. So those who come from outside, with a new call
// or from a sleep, are a class of their own until they have used [Short], and go
// first as long as that class has not used more than half of what was used: short
// work is done at once, and long work gets half the machine at least.
//
// The package starts no goroutine and reads no configuration. Read next:
// account.go, then call.go of package sandbox, which comes here.
package cpu

import (
	"container/heap"
	"math"
	"runtime"
	"slices"
	"sync"
	"time"
)

// Period is how often a quota is meant to be given out: what an account may use
// at once when it has rested.
const Period = 20 * time.Millisecond

// Short is the CPU time up to which a call is short work.
const Short = 2 * time.Millisecond

// Full is the share of a guest that has a CPU to itself, in CPUs.
const Full = 1.0

// Scheduler hands out turns. Safe for concurrent use.
type Scheduler struct {
	clock   func() time.Duration // of the calling thread
	mu      sync.Mutex
	free    int
	running []*Account // have a slot; as many as there are slots at most
	classes [2]class
	served  float64 // where a newcomer begins, in seconds per CPU owed; see now
	order   uint64
}

// class is those who wait for a slot, and what those of its kind have used.
type class struct {
	waiting queue
	used    time.Duration
}

// The classes.
const (
	arriving = iota // from outside, until Short is used up
	staying
)

// head is how much less a class can have used than the other when it begins to
// wait: an hour without arrivals does not give them the hour after.
const head = Period / 2

// NewScheduler has slots guests run at a time. 0: one less than GOMAXPROCS is
// now, but at least one, so that the host always has a processor to answer with.
func NewScheduler(slots int) *Scheduler {
	if slots <= 0 {
		slots = max(1, runtime.GOMAXPROCS(0)-1)
	}
	return &Scheduler{clock: threadTime, free: slots}
}

// Waiting is how many want a slot at this moment.
func (s *Scheduler) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.classes[arriving].waiting) + len(s.classes[staying].waiting)
}

// waiter is an account that wants a slot.
type waiter struct {
	account *Account
	class   *class
	granted chan struct{}
	order   uint64 // among those that are served alike the first comes first
	index   int    // in the queue; -1: granted
}

// now is what the least served of those who are there has been served; it does
// not go back when they have left.
func (s *Scheduler) now() float64 {
	least := math.Inf(1)
	for _, a := range s.running {
		least = min(least, a.served)
	}
	for n := range s.classes {
		if q := s.classes[n].waiting; len(q) > 0 {
			least = min(least, q[0].account.served)
		}
	}
	if !math.IsInf(least, 1) {
		s.served = max(s.served, least)
	}
	return s.served
}

// ask takes a slot, or a place in the queue: the waiter's channel is closed when
// it has a slot. Who comes back from a rest that its quota has imposed does not
// come from outside.
func (s *Scheduler) ask(a *Account, outside bool) *waiter {
	s.mu.Lock()
	defer s.mu.Unlock()
	a.served = max(a.served, s.now())
	if outside {
		a.class, a.arrived = arriving, 0
	}
	if s.free > 0 {
		s.free--
		s.running = append(s.running, a)
		return nil
	}
	return s.enqueue(a)
}

func (s *Scheduler) enqueue(a *Account) *waiter {
	c, other := &s.classes[a.class], &s.classes[1-a.class]
	if len(c.waiting) == 0 {
		c.used = max(c.used, other.used-head)
	}
	s.order++
	w := &waiter{account: a, class: c, granted: make(chan struct{}), order: s.order}
	heap.Push(&c.waiting, w)
	return w
}

// next is who is owed a slot; nil: nobody waits.
func (s *Scheduler) next() *waiter {
	first, second := &s.classes[arriving], &s.classes[staying]
	if len(first.waiting) == 0 || (len(second.waiting) > 0 && first.used > second.used) {
		first = second
	}
	if len(first.waiting) == 0 {
		return nil
	}
	return first.waiting[0]
}

// withdraw gives up waiting; false: the slot was granted meanwhile.
func (s *Scheduler) withdraw(w *waiter) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.index < 0 {
		return false
	}
	heap.Remove(&w.class.waiting, w.index)
	return true
}

// leave gives a slot back, to whoever is owed it.
func (s *Scheduler) leave(a *Account, used time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.charge(a, used)
	s.grant(a, s.next())
}

func (s *Scheduler) charge(a *Account, used time.Duration) {
	s.classes[a.class].used += used
	if a.arrived += used; a.arrived > Short {
		a.class = staying
	}
	a.charge(used)
}

// grant gives an account's slot to a waiter, if there is one.
func (s *Scheduler) grant(from *Account, to *waiter) {
	s.now() // counts who leaves
	at := slices.Index(s.running, from)
	if to == nil {
		s.running = slices.Delete(s.running, at, at+1)
		s.free++
		return
	}
	heap.Remove(&to.class.waiting, to.index)
	s.running[at] = to.account
	close(to.granted)
}

// yield keeps the slot, or gives it to somebody who is owed it and asks for
// another.
func (s *Scheduler) yield(a *Account, used time.Duration) *waiter {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.charge(a, used)
	to := s.next()
	if to == nil || (to.account.class == a.class && a.served <= to.account.served) {
		return nil
	}
	s.grant(a, to)
	return s.enqueue(a)
}

// queue is a heap by what was served.
type queue []*waiter

// Len is the number of waiters.
func (q queue) Len() int { return len(q) }

// Less puts who was served less first.
func (q queue) Less(i, j int) bool {
	if q[i].account.served != q[j].account.served {
		return q[i].account.served < q[j].account.served
	}
	return q[i].order < q[j].order
}

// Swap exchanges two.
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push appends one.
func (q *queue) Push(x any) {
	w := x.(*waiter)
	w.index = len(*q)
	*q = append(*q, w)
}

// Pop removes the last.
func (q *queue) Pop() any {
	old := *q
	w := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	w.index = -1
	return w
}
