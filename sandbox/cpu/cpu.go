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

// Full is the share of a guest that has a CPU to itself, in CPUs.
const Full = 1.0

// Scheduler hands out turns. Safe for concurrent use.
type Scheduler struct {
	clock   func() time.Duration // of the calling thread
	mu      sync.Mutex
	free    int
	running []*Account // have a slot; as many as there are slots at most
	waiting queue
	served  float64 // where a newcomer begins, in seconds per CPU owed; see now
	order   uint64
}

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
	return len(s.waiting)
}

// waiter is an account that wants a slot.
type waiter struct {
	account *Account
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
	if len(s.waiting) > 0 {
		least = min(least, s.waiting[0].account.served)
	}
	if !math.IsInf(least, 1) {
		s.served = max(s.served, least)
	}
	return s.served
}

// ask takes a slot, or a place in the queue: the waiter's channel is closed when
// it has a slot.
func (s *Scheduler) ask(a *Account) *waiter {
	s.mu.Lock()
	defer s.mu.Unlock()
	a.served = max(a.served, s.now())
	if s.free > 0 {
		s.free--
		s.running = append(s.running, a)
		return nil
	}
	return s.enqueue(a)
}

func (s *Scheduler) enqueue(a *Account) *waiter {
	s.order++
	w := &waiter{account: a, granted: make(chan struct{}), order: s.order}
	heap.Push(&s.waiting, w)
	return w
}

// withdraw gives up waiting; false: the slot was granted meanwhile.
func (s *Scheduler) withdraw(w *waiter) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.index < 0 {
		return false
	}
	heap.Remove(&s.waiting, w.index)
	return true
}

// leave gives a slot back, to whoever is owed it.
func (s *Scheduler) leave(a *Account, used time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a.charge(used)
	s.grant(a)
}

// grant gives an account's slot to the least served of those who wait.
func (s *Scheduler) grant(from *Account) {
	s.now() // counts who leaves
	at := slices.Index(s.running, from)
	if len(s.waiting) == 0 {
		s.running = slices.Delete(s.running, at, at+1)
		s.free++
		return
	}
	w := heap.Pop(&s.waiting).(*waiter)
	s.running[at] = w.account
	close(w.granted)
}

// yield keeps the slot, or gives it to somebody who has been served less and asks
// for another.
func (s *Scheduler) yield(a *Account, used time.Duration) *waiter {
	s.mu.Lock()
	defer s.mu.Unlock()
	a.charge(used)
	if len(s.waiting) == 0 || a.served <= s.waiting[0].account.served {
		return nil
	}
	s.grant(a)
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
