package async

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambent-host/lambent/host/invoke"
)

func TestFunctionErrorsAreTriedTwiceMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), Config{}, failing)
		start := time.Now()
		r.enqueue("fn", "r1")
		r.Start()
		r.idle()
		if got, want := r.inv.times("r1", start), []time.Duration{0, time.Minute, 3 * time.Minute}; !slices.Equal(got, want) {
			t.Errorf("tries at %v, want %v", got, want)
		}
		if !r.log.has(`"reason":"RetriesExhausted"`, `"request_id":"r1"`, `"function":"fn"`, `"attempts":3`) {
			t.Errorf("log is %q", r.log.lines)
		}
		if n := r.stored(); n != 0 {
			t.Errorf("%d events left", n)
		}
		r.end()
	})
}

// A hook that fails is the function's failure, although the caller gets an error of
// the service for it.
func TestARestoreThatFailsIsTriedTwiceMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), Config{}, func(context.Context, *invoke.Request) (*invoke.Outcome, error) {
			return nil, &invoke.RestoreError{Message: "the hook failed"}
		})
		start := time.Now()
		r.enqueue("fn", "r1")
		r.Start()
		r.idle()
		if got, want := r.inv.times("r1", start), []time.Duration{0, time.Minute, 3 * time.Minute}; !slices.Equal(got, want) {
			t.Errorf("tries at %v, want %v", got, want)
		}
		r.end()
	})
}

func TestRetryDelaysCanBeEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), Config{RetryDelays: []time.Duration{}}, failing)
		r.enqueue("fn", "r1")
		r.Start()
		r.idle()
		if ids := r.inv.ids(); len(ids) != 1 {
			t.Errorf("%d tries, want 1", len(ids))
		}
		r.end()
	})
}

func TestASecondTryMaySucceed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		r := newRig(t, t.TempDir(), Config{}, func(ctx context.Context, req *invoke.Request) (*invoke.Outcome, error) {
			if tries++; tries == 1 {
				return failing(ctx, req)
			}
			return ok(ctx, req)
		})
		r.enqueue("fn", "r1")
		r.Start()
		r.idle()
		if tries != 2 || len(r.log.lines) != 0 || r.stored() != 0 {
			t.Errorf("%d tries, %d stored, log %q", tries, r.stored(), r.log.lines)
		}
		r.end()
	})
}

// TestRetriesSurviveARestart: neither the tries that were spent nor the time of
// the next one is forgotten.
func TestRetriesSurviveARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, start := t.TempDir(), time.Now()
		r := newRig(t, dir, Config{}, failing)
		r.enqueue("fn", "r1")
		r.Start()
		waitFor(t, func() bool { return r.Stats().Waiting == 1 })
		time.Sleep(20 * time.Second)
		r.end()
		r = newRig(t, dir, Config{}, failing)
		if s := r.Stats(); s != (Stats{Depth: 1, Waiting: 1, OldestAge: 20 * time.Second}) {
			t.Errorf("after the restart: %+v", s)
		}
		r.Start()
		r.idle()
		if got, want := r.inv.times("r1", start), []time.Duration{time.Minute, 3 * time.Minute}; !slices.Equal(got, want) {
			t.Errorf("tries after the restart at %v, want %v", got, want)
		}
		r.end()
	})
}

func TestThrottlesSpendNoTry(t *testing.T) {
	for name, refusal := range map[string]error{
		"throttled": throttle{errors.New("no capacity")},
		"not ready": notReady{errors.New("pending")},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tries := 0
				r := newRig(t, t.TempDir(), Config{ThrottleDelayMax: 6 * time.Second}, func(ctx context.Context, req *invoke.Request) (*invoke.Outcome, error) {
					if tries++; tries <= 5 {
						return nil, errors.Join(errors.New("resolve"), refusal)
					}
					return failing(ctx, req)
				})
				start := time.Now()
				r.enqueue("fn", "r1")
				r.Start()
				r.idle()
				want := []time.Duration{0, 1, 3, 7, 13, 19, 79, 199} // after 1, 2, 4, 6, 6 (the most) seconds, then 1 and 2 minutes
				for i := range want {
					want[i] *= time.Second
				}
				if got := r.inv.times("r1", start); !slices.Equal(got, want) {
					t.Errorf("tries at %v, want %v", got, want)
				}
				r.end()
			})
		})
	}
}

// TestThrottleDelaysStartAgain: after an event could be run, the next throttle
// pauses for the shortest time again.
func TestThrottleDelaysStartAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		r := newRig(t, t.TempDir(), Config{Workers: 1}, func(ctx context.Context, req *invoke.Request) (*invoke.Outcome, error) {
			if tries++; tries == 3 || tries == 5 {
				return ok(ctx, req)
			}
			return nil, throttle{errors.New("no capacity")}
		})
		start := time.Now()
		r.enqueue("fn", "r1")
		r.enqueue("fn", "r2")
		r.Start()
		r.idle()
		if got, want := r.inv.times("r2", start), []time.Duration{3 * time.Second, 4 * time.Second}; !slices.Equal(got, want) {
			t.Errorf("tries at %v, want %v", got, want)
		}
		r.end()
	})
}

// TestAThrottlePausesItsFunctionOnly: the second event of the throttled
// function is not tried during the pause, another function's is; afterwards
// they run in order.
func TestAThrottlePausesItsFunctionOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := false
		r := newRig(t, t.TempDir(), Config{Workers: 1}, func(ctx context.Context, req *invoke.Request) (*invoke.Outcome, error) {
			if req.FunctionName == "busy" && !refused {
				refused = true
				return nil, throttle{errors.New("no capacity")}
			}
			return ok(ctx, req)
		})
		start := time.Now()
		r.enqueue("busy", "b1")
		r.enqueue("busy", "b2")
		r.enqueue("calm", "c1")
		r.Start()
		r.idle()
		if got, want := r.inv.ids(), []string{"b1", "c1", "b1", "b2"}; !slices.Equal(got, want) {
			t.Errorf("order is %v, want %v", got, want)
		}
		if at := r.inv.times("c1", start); at[0] != 0 {
			t.Errorf("the other function waited %v", at)
		}
		r.end()
	})
}

func TestHostErrorsAreTriedUntilTooOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), Config{MaxAge: 10 * time.Second}, func(context.Context, *invoke.Request) (*invoke.Outcome, error) {
			return nil, errors.New("environment could not be started")
		})
		start := time.Now()
		r.enqueue("fn", "r1")
		r.Start()
		r.idle()
		// The try at 15 s would come after the maximum age, so the one at 7 s is the last.
		if got, want := r.inv.times("r1", start), []time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second}; !slices.Equal(got, want) {
			t.Errorf("tries at %v, want %v", got, want)
		}
		if !r.log.has(`"reason":"EventAgeExceeded"`, "environment could not be started") || r.stored() != 0 {
			t.Errorf("%d stored, log is %q", r.stored(), r.log.lines)
		}
		r.end()
	})
}

func TestFunctionErrorLooksAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), Config{MaxAge: 59 * time.Second}, failing)
		r.enqueue("fn", "r1")
		r.Start()
		waitFor(t, func() bool { return r.Stats().Depth == 0 })
		if !r.log.has(`"reason":"EventAgeExceeded"`, `"attempts":1`) {
			t.Errorf("log is %q", r.log.lines)
		}
		r.end()
	})
}

func TestAnOldEventIsNotRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), Config{}, ok)
		r.enqueue("fn", "r1")
		time.Sleep(6*time.Hour + time.Second)
		r.Start()
		waitFor(t, func() bool { return r.Stats().Depth == 0 })
		if len(r.inv.ids()) != 0 || !r.log.has(`"reason":"EventAgeExceeded"`) {
			t.Errorf("calls %v, log %q", r.inv.ids(), r.log.lines)
		}
		r.end()
	})
}

func TestAMissingFunctionsEventIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), Config{}, func(context.Context, *invoke.Request) (*invoke.Outcome, error) {
			return nil, notFound{errors.New("Function not found")}
		})
		r.enqueue("fn", "r1")
		r.Start()
		waitFor(t, func() bool { return r.Stats().Depth == 0 })
		if len(r.inv.ids()) != 1 || !r.log.has(`"reason":"FunctionNotFound"`) || r.stored() != 0 {
			t.Errorf("calls %v, log %q", r.inv.ids(), r.log.lines)
		}
		r.end()
	})
}

func TestAPanicIsAHostError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		r := newRig(t, t.TempDir(), Config{}, func(ctx context.Context, req *invoke.Request) (*invoke.Outcome, error) {
			if tries++; tries == 1 {
				panic("boom")
			}
			return ok(ctx, req)
		})
		r.enqueue("fn", "r1")
		r.Start()
		r.idle()
		if tries != 2 || !r.log.has("boom", "retry_test.go") {
			t.Errorf("%d tries, log %q", tries, r.log.lines)
		}
		r.end()
	})
}
