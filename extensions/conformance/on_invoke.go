package conformance

import (
	"context"
	"time"

	"github.com/lambent-host/lambent/extensions"
	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/extensions/internal/life"
)

var invokeScenarios = []Scenario{
	{
		Name: "invoke", What: "the function is invoked once",
		Expect: "the extension is ready for the next event before the function's timeout",
		run:    invokeOnce,
	},
	{
		Name: "invocations", What: "the function is invoked many times, one after the other, writing ten lines each time",
		Expect: "every invocation ends before the function's timeout",
		run:    invokeOften,
	},
}

func invokeOnce(ctx context.Context, b *Bench) Verdict {
	return b.live(ctx, options{}, func(s *subject) Verdict {
		if err := s.invoke(ctx, 1, talkative); err != nil {
			return fail("%v", err)
		}
		return pass("it held the invocation up for %.2f ms", ms("", s.overheads[0]).Value).with(ms("first added latency", s.overheads[0]))
	})
}

func invokeOften(ctx context.Context, b *Bench) Verdict {
	return b.live(ctx, options{}, func(s *subject) Verdict {
		done, err := s.invokeWhile(ctx, b.cfg.Invocations, nil)
		if err != nil {
			return fail("%v", err).with(overheads(s.overheads)...)
		}
		if err := s.shutdown(ctx, extapi.ReasonSpindown); err != nil {
			return fail("%v", err)
		}
		a := s.account()
		figures := append(overheads(s.overheads), a.figures()...)
		if done < b.cfg.Invocations {
			return pass("only %d of %d invocations fitted into the time of the scenario; none failed", done, b.cfg.Invocations).with(figures...)
		}
		return pass("%d invocations, held up for %.2f ms (p50) and %.2f ms (p99)", done,
			ms("", quantile(0.5, s.overheads)).Value, ms("", quantile(0.99, s.overheads)).Value).with(figures...)
	})
}

// invokeWhile leads up to n invocations, and stops in time for the rest of the
// scenario. After each it calls after, if that is set.
func (s *subject) invokeWhile(ctx context.Context, n int, after func(done int)) (done int, err error) {
	limited, cancel := withMost(ctx)
	defer cancel()
	for done < n && limited.Err() == nil {
		if err := s.invoke(ctx, 1, talkative); err != nil {
			return done, err
		}
		done++
		if after != nil {
			after(done)
		}
	}
	return done, nil
}

// withMost returns a context that ends when three quarters of ctx's time are over.
func withMost(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(deadline)*3/4)
}

// account is what became of the events that the extensions had subscribed to.
type account struct {
	extensions.Account
	batches []time.Duration
}

func (a account) figures() []Figure {
	return []Figure{
		count("events published", a.Published), count("events delivered", a.Delivered), count("events dropped", a.Dropped),
		count("events left at the end", a.Left), count("events sent again", a.Again),
		count("batches", len(a.batches)), ms("answer to a batch p50", quantile(0.5, a.batches)), ms("answer to a batch p99", quantile(0.99, a.batches)),
	}
}

// account adds up the accounts of all subscriptions, once the environment has been
// shut down.
func (s *subject) account() account {
	a := account{batches: s.took()}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.accounts {
		a.Published += one.Published
		a.Delivered += one.Delivered
		a.Dropped += one.Dropped
		a.Left += one.Left
		a.Again += one.Again
	}
	return a
}

// silent is a function that writes nothing.
var silent = life.Invocation{}
