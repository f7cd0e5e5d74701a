package cpu

import (
	"runtime"
	"sync/atomic"
	"time"
)

// Account is the CPU time of one environment. Its methods are for one goroutine
// at a time, but for Used.
type Account struct {
	scheduler *Scheduler
	share     float64
	limited   bool

	used    atomic.Int64 // ns
	served  float64      // seconds per CPU owed; guarded by scheduler.mu, as class
	class   int
	arrived time.Duration // used since it came from outside

	running bool
	boosted bool
	began   time.Duration // of the segment, by the thread's clock

	tokens time.Duration // what may be used at once; less than nothing: debt
	filled time.Time     // when tokens were right
}

// NewAccount opens an account that is owed a share of the CPUs, as one of them
// (0.5 is half a CPU); 0 and more than [Full] are Full, because a guest has one
// thread. Limited: it gets no more than that, also when nobody else wants it.
func (s *Scheduler) NewAccount(share float64, limited bool) *Account {
	if share <= 0 || share > Full {
		share = Full
	}
	a := &Account{scheduler: s, share: share, limited: limited && share < Full, filled: time.Now()}
	a.tokens = a.capacity()
	return a
}

// Used is the CPU time that was used so far. Safe at any time; a segment counts
// when it ends.
func (a *Account) Used() time.Duration { return time.Duration(a.used.Load()) }

// Patience ends waiting: when the time has come or the channel is closed. The
// zero value waits for ever.
type Patience struct {
	Done     <-chan struct{}
	Deadline time.Time // zero: none
}

// Start waits for a turn; false: patience ended before. A boosted turn does not
// count against the quota. The goroutine stays on its thread until Stop.
func (a *Account) Start(p Patience, boosted bool) bool {
	a.boosted = boosted
	return a.Resume(p)
}

// Resume waits for a turn after Pause; false: patience ended before.
func (a *Account) Resume(p Patience) bool { return a.turn(p, true) }

func (a *Account) turn(p Patience, outside bool) bool {
	return a.rest(p) && a.wait(a.scheduler.ask(a, outside), p)
}

// wait is over when the waiter has a slot; nil has one already.
func (a *Account) wait(w *waiter, p Patience) bool {
	if w != nil && !p.until(w.granted) && a.scheduler.withdraw(w) {
		return false
	}
	a.running = true
	runtime.LockOSThread() // whose clock is read
	a.began = a.scheduler.clock()
	return true
}

// Pause ends a turn before something that blocks; the guest is not to run before
// Resume. Without a turn it does nothing.
func (a *Account) Pause() {
	if !a.running {
		return
	}
	a.scheduler.leave(a, a.segment())
}

// Stop ends the last turn of a call, if there is one.
func (a *Account) Stop() { a.Pause() }

// Yield is called by a guest that has used a quantum up. It waits while the quota
// is used up, and while somebody else is owed the slot; false: patience ended, and
// there is no turn any more.
func (a *Account) Yield(p Patience) bool {
	used := a.segment()
	if a.limited && !a.boosted && a.tokens < used { // it will be in debt
		a.scheduler.leave(a, used)
		return a.turn(p, false)
	}
	w := a.scheduler.yield(a, used)
	if w == nil {
		runtime.Gosched() // the host's own goroutines
	}
	return a.wait(w, p)
}

// segment ends one, and returns what it took.
func (a *Account) segment() time.Duration {
	used := max(0, a.scheduler.clock()-a.began)
	runtime.UnlockOSThread()
	a.running = false
	return used
}

// charge notes what was used. The scheduler's lock is held.
func (a *Account) charge(used time.Duration) {
	a.used.Add(int64(used))
	a.served += used.Seconds() / a.share
	if a.limited && !a.boosted {
		a.fill(time.Now())
		a.tokens -= used
	}
}

func (a *Account) capacity() time.Duration {
	return time.Duration(float64(Period) * a.share)
}

func (a *Account) fill(now time.Time) {
	a.tokens = min(a.capacity(), a.tokens+time.Duration(float64(now.Sub(a.filled))*a.share))
	a.filled = now
}

// restFor is the part of a period that must be paid for before an account that
// was in debt runs again: less makes for more and shorter rests.
const restFor = 4

// rest waits until the quota allows a turn; false: patience ended before.
func (a *Account) rest(p Patience) bool {
	if !a.limited || a.boosted {
		return true
	}
	a.fill(time.Now())
	if a.tokens > 0 {
		return true
	}
	owed := a.capacity()/restFor - a.tokens
	return !p.during(time.Duration(float64(owed) / a.share))
}

// until waits for a channel; false: patience ended before.
func (p Patience) until(c <-chan struct{}) bool {
	var late <-chan time.Time
	if !p.Deadline.IsZero() {
		t := time.NewTimer(time.Until(p.Deadline))
		defer t.Stop()
		late = t.C
	}
	select {
	case <-c:
		return true
	case <-p.Done:
	case <-late:
	}
	return false
}

// during waits for a while; true: patience ended before.
func (p Patience) during(d time.Duration) bool {
	ends := false
	if !p.Deadline.IsZero() {
		if left := time.Until(p.Deadline); left < d {
			d, ends = left, true
		}
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ends
	case <-p.Done:
		return true
	}
}

// start is where the wall's clock begins, where it stands in for the thread's.
var start = time.Now()
