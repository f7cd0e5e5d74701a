package cpu

import (
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// machine is a scheduler on a clock of its own: in these tests a guest that works
// takes as much of the CPU as of the (simulated) wall's time.
type machine struct {
	*Scheduler
	worked atomic.Int64
}

func newMachine(slots int) *machine {
	m := &machine{Scheduler: NewScheduler(slots)}
	m.clock = func() time.Duration { return time.Duration(m.worked.Load()) }
	return m
}

const quantum = 500 * time.Microsecond

// work is what a guest does between two visits. With one slot nobody else works
// meanwhile, so that one clock serves all.
func (m *machine) work(d time.Duration) {
	time.Sleep(d)
	m.worked.Add(int64(d))
}

// spin works until a time has passed.
func (m *machine) spin(t *testing.T, a *Account, d time.Duration) {
	until := time.Now().Add(d)
	if !a.Start(Patience{}, false) {
		t.Error("a patient guest got no turn")
	}
	for time.Now().Before(until) {
		m.work(quantum)
		if !a.Yield(Patience{}) {
			t.Error("a patient guest lost its turn")
		}
	}
	a.Stop()
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.Abs(got-want) > tolerance*want {
		t.Errorf("%s: %.4f, want %.4f", what, got, want)
	}
}

func TestAQuotaIsKept(t *testing.T) {
	for _, share := range []float64{0.0723, 0.25, 0.6, 0.9} {
		synctest.Test(t, func(t *testing.T) {
			m := newMachine(1)
			a := m.NewAccount(share, true)
			m.spin(t, a, 10*time.Second)
			near(t, "share", a.Used().Seconds()/10, share, 0.02)
		})
	}
}

func TestWithoutAQuotaOrWithAllOfACPUNobodyRests(t *testing.T) {
	for _, c := range []struct {
		share   float64
		limited bool
	}{{0.1, false}, {1, true}, {6, true}, {0, true}} {
		synctest.Test(t, func(t *testing.T) {
			m := newMachine(1)
			a := m.NewAccount(c.share, c.limited)
			m.spin(t, a, time.Second)
			near(t, "share", a.Used().Seconds(), 1, 0.01)
		})
	}
}

func TestBoostDoesNotCountAgainstTheQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(1)
		a := m.NewAccount(0.1, true)
		began := time.Now()
		a.Start(Patience{}, true)
		for range 1000 {
			m.work(quantum)
			a.Yield(Patience{})
		}
		a.Stop()
		if took := time.Since(began); took != 1000*quantum || a.Used() != took {
			t.Errorf("boosted work of %v took %v, charged %v", 1000*quantum, took, a.Used())
		}
		if a.Start(Patience{}, false); time.Since(began) != 1000*quantum {
			t.Error("the boost has to be paid for afterwards")
		}
		a.Stop()
	})
}

// A bucket holds a period and no more.
func TestRestCannotBeSavedUpInABucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(1)
		a := m.NewAccount(0.1, true)
		time.Sleep(time.Hour)
		m.spin(t, a, time.Second)
		near(t, "used after an hour's rest", a.Used().Seconds(), 0.1+0.1*Period.Seconds(), 0.03)
	})
}

func TestSlotsAreSharedInProportion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(1)
		shares := []float64{0.1, 0.2, 0.4}
		accounts := make([]*Account, len(shares))
		var all sync.WaitGroup
		for n, share := range shares {
			accounts[n] = m.NewAccount(share, false)
			all.Go(func() { m.spin(t, accounts[n], 5*time.Second) })
		}
		all.Wait()
		for n, share := range shares {
			near(t, "share", accounts[n].Used().Seconds()/5, share/0.7, 0.02)
		}
	})
}

// Who comes late, or comes back after a rest, gets its share from then on: not
// what the others had meanwhile, and not less.
func TestANewcomerNeitherStarvesNorIsStarved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(1)
		old, late := m.NewAccount(1, false), m.NewAccount(1, false)
		var all sync.WaitGroup
		all.Go(func() { m.spin(t, old, 20*time.Second) })
		time.Sleep(10 * time.Second)
		before := old.Used()
		all.Go(func() { m.spin(t, late, 2*time.Second) })
		time.Sleep(2 * time.Second)
		near(t, "the newcomer's part", late.Used().Seconds(), 1, 0.02)
		near(t, "the other's part", (old.Used() - before).Seconds(), 1, 0.02)
		all.Wait()
	})
}

// Short work does not wait for a quantum of each guest that spins, and does not
// take more than half when there is very much of it.
func TestShortWorkGoesFirstUpToAHalf(t *testing.T) {
	for _, limited := range []bool{false, true} {
		shortWork(t, 20*time.Millisecond, limited)
		shortWork(t, 0, limited)
	}
}

// shortWork rests between its calls beside fifty that spin, with quotas that
// come to nearly a CPU, or without.
func shortWork(t *testing.T, rest time.Duration, limited bool) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(1)
		var all sync.WaitGroup
		spinners := make([]*Account, 50)
		for n := range spinners {
			spinners[n] = m.NewAccount(0.019, limited)
			all.Go(func() { m.spin(t, spinners[n], 5*time.Second) })
		}
		time.Sleep(time.Second)
		short := make([]*Account, 3)
		var worst atomic.Int64
		for n := range short {
			short[n] = m.NewAccount(1, false)
			all.Go(func() {
				for until := time.Now().Add(3 * time.Second); time.Now().Before(until); time.Sleep(rest) {
					asked := time.Now()
					short[n].Start(Patience{}, false)
					worst.Store(max(worst.Load(), int64(time.Since(asked))))
					m.work(quantum / 5)
					short[n].Stop()
				}
			})
		}
		all.Wait()
		used := short[0].Used() + short[1].Used() + short[2].Used()
		if rest > 0 && worst.Load() > int64(3*quantum) {
			t.Errorf("short work waited for %v beside fifty that spin", time.Duration(worst.Load()))
		}
		if rest == 0 {
			near(t, "the half of much short work", used.Seconds()/3, 0.5, 0.05)
		}
	})
}

func TestWaitingEndsWithPatienceAndLosesNoSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(1)
		holder, other := m.NewAccount(1, false), m.NewAccount(1, false)
		holder.Start(Patience{}, false)
		began := time.Now()
		if other.Start(Patience{Deadline: began.Add(time.Second)}, false) || time.Since(began) != time.Second {
			t.Errorf("a taken slot was given, or waited for %v", time.Since(began))
		}
		done := make(chan struct{})
		go func() { time.Sleep(time.Second); close(done) }()
		if other.Start(Patience{Done: done}, false) || time.Since(began) != 2*time.Second {
			t.Errorf("a taken slot was given, or waited for %v", time.Since(began))
		}
		if m.Waiting() != 0 {
			t.Error("it still waits")
		}
		other.Stop() // has nothing
		holder.Stop()
		if !other.Start(Patience{Deadline: time.Now()}, false) {
			t.Error("a free slot was not given")
		}
		other.Stop()
	})
}

func TestRestingForTheQuotaEndsWithPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(1)
		a := m.NewAccount(0.01, true)
		a.Start(Patience{}, false)
		m.work(time.Second) // a hundred seconds of debt
		began := time.Now()
		if a.Yield(Patience{Deadline: began.Add(time.Minute)}) || time.Since(began) != time.Minute {
			t.Errorf("went on after %v", time.Since(began))
		}
		a.Stop()
		if !m.NewAccount(1, false).Start(Patience{Deadline: time.Now()}, false) {
			t.Error("the slot was kept while it rested")
		}
	})
}

func TestAPauseGivesTheSlotToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(1)
		a, b := m.NewAccount(1, false), m.NewAccount(1, false)
		a.Start(Patience{}, false)
		m.work(quantum)
		a.Pause()
		m.spin(t, b, time.Second)
		if !a.Resume(Patience{Deadline: time.Now()}) {
			t.Error("it did not get the slot back")
		}
		m.work(quantum)
		a.Stop()
		if a.Used() != 2*quantum {
			t.Errorf("charged %v, want %v: a pause is free", a.Used(), 2*quantum)
		}
	})
}

func TestOneSlotIsLeftForTheHost(t *testing.T) {
	if got := NewScheduler(0).free; got < 1 {
		t.Errorf("%d slots", got)
	}
	if got := NewScheduler(7).free; got != 7 {
		t.Errorf("%d slots, want 7", got)
	}
}

// The real clock does not count what a thread was kept from running.
func TestTheThreadsClockCountsWorkAlone(t *testing.T) {
	a := NewScheduler(1).NewAccount(1, false)
	a.Start(Patience{}, false)
	time.Sleep(50 * time.Millisecond)
	a.Stop()
	if slept := a.Used(); slept > 20*time.Millisecond && threadTime() != time.Since(start) {
		t.Errorf("50 ms of sleep were charged as %v", slept)
	}
	a.Start(Patience{}, false)
	for began := time.Now(); time.Since(began) < 20*time.Millisecond; {
		_ = began
	}
	a.Stop()
	if a.Used() < 2*time.Millisecond {
		t.Errorf("20 ms of work were charged as %v", a.Used())
	}
}
