package async

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambent-host/lambent/host/invoke"
)

func TestFunctionsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), Config{Workers: 1}, ok)
		for _, id := range []string{"a1", "a2", "a3", "b1", "b2", "c1"} {
			r.enqueue(id[:1], id)
		}
		r.Start()
		waitFor(t, func() bool { return r.Stats().Depth == 0 })
		if got, want := r.inv.ids(), []string{"a1", "b1", "c1", "a2", "b2", "a3"}; !slices.Equal(got, want) {
			t.Errorf("order is %v, want %v", got, want)
		}
		r.end()
	})
}

// TestSlowFunctionsLeaveWorkers: three functions with a backlog of endless
// events; a fourth function's event runs at once.
func TestSlowFunctionsLeaveWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		r := newRig(t, t.TempDir(), Config{Workers: 16}, func(ctx context.Context, req *invoke.Request) (*invoke.Outcome, error) {
			if strings.HasPrefix(req.FunctionName, "slow") {
				<-release
			}
			return ok(ctx, req)
		})
		for i := range 20 {
			r.enqueue("slow1", fmt.Sprint("s1-", i))
		}
		r.Start()
		waitFor(t, func() bool { return r.Stats().Running == 8 }) // half, alone
		for i := range 20 {
			r.enqueue("slow2", fmt.Sprint("s2-", i))
			r.enqueue("slow3", fmt.Sprint("s3-", i))
		}
		waitFor(t, func() bool { return r.Stats().Running >= 12 })
		start := time.Now()
		r.enqueue("quick", "q1")
		waitFor(t, func() bool { return len(r.inv.times("q1", start)) == 1 })
		if running := r.Stats().Running; running >= 16 {
			t.Errorf("%d of 16 workers are taken", running)
		}
		close(release)
		r.idle()
		r.end()
	})
}

// TestAFailingFunctionDelaysNobody: its retries wait in the heap and not in a worker.
func TestAFailingFunctionDelaysNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), Config{Workers: 2}, func(ctx context.Context, req *invoke.Request) (*invoke.Outcome, error) {
			switch req.FunctionName {
			case "failing":
				return failing(ctx, req)
			case "broken":
				return nil, errors.New("host error")
			}
			return ok(ctx, req)
		})
		start := time.Now()
		for i := range 50 {
			r.enqueue("failing", fmt.Sprint("f", i))
			r.enqueue("broken", fmt.Sprint("h", i))
		}
		r.enqueue("good", "g1")
		r.Start()
		waitFor(t, func() bool { return r.Stats().Waiting == 100 })
		r.enqueue("good", "g2")
		waitFor(t, func() bool { return len(r.inv.times("g2", start)) == 1 })
		if at := append(r.inv.times("g1", start), r.inv.times("g2", start)...); at[0] != 0 || at[1] != 0 {
			t.Errorf("good events ran at %v", at)
		}
		if at := slices.Index(r.inv.ids(), "g1"); at > 5 {
			t.Errorf("the good function's first event was the %d. to run", at+1)
		}
		r.end()
	})
}

func TestWorkersAreTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		r := newRig(t, t.TempDir(), Config{Workers: 3}, func(ctx context.Context, req *invoke.Request) (*invoke.Outcome, error) {
			<-release
			return ok(ctx, req)
		})
		for i := range 10 {
			r.enqueue(fmt.Sprint("fn", i), fmt.Sprint(i))
		}
		r.Start()
		waitFor(t, func() bool { return r.Stats().Running == 3 })
		synctest.Wait()
		if n := len(r.inv.ids()); n != 3 {
			t.Errorf("%d events run with 3 workers", n)
		}
		close(release)
		r.idle()
		r.end()
	})
}

// TestIdleLanesAreForgotten: a queue that has served many functions holds none of them.
func TestIdleLanesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), Config{}, ok)
		r.Start()
		for i := range 300 {
			r.enqueue(fmt.Sprint("fn", i), fmt.Sprint(i))
		}
		waitFor(t, func() bool { return r.Stats().Depth == 0 })
		if len(r.lanes.byName) != 0 || r.lanes.order.len() != 0 || r.lanes.ring.len() != 0 {
			t.Errorf("%d lanes, %d in order, %d in the ring", len(r.lanes.byName), r.lanes.order.len(), r.lanes.ring.len())
		}
		r.end()
	})
}

func TestShutdownWaitsForRunningEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), Config{Workers: 1}, func(ctx context.Context, req *invoke.Request) (*invoke.Outcome, error) {
			time.Sleep(5 * time.Second)
			return ok(ctx, req)
		})
		start := time.Now()
		r.enqueue("fn", "r1")
		r.enqueue("fn", "r2")
		r.Start()
		waitFor(t, func() bool { return r.Stats().Running == 1 })
		if err := r.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("shutdown took %v", took)
		}
		r.Start() // too late
		synctest.Wait()
		if n := r.stored(); n != 1 || len(r.inv.ids()) != 1 {
			t.Errorf("%d stored, %v ran; want the second event stored and not run", n, r.inv.ids())
		}
		r.end()
	})
}

func TestShutdownGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), Config{}, func(ctx context.Context, _ *invoke.Request) (*invoke.Outcome, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		r.enqueue("fn", "r1")
		r.Start()
		waitFor(t, func() bool { return r.Stats().Running == 1 })
		soon, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if err := r.Shutdown(soon); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("shutdown: %v", err)
		}
		r.work.Wait()
		if n := r.stored(); n != 1 {
			t.Errorf("%d events stored, want 1: it has not run to its end", n)
		}
		if len(r.log.lines) != 0 {
			t.Errorf("an interrupted event is reported as a failure: %q", r.log.lines)
		}
		r.end()
	})
}
