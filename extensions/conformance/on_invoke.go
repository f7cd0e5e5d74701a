package conformance

import (
	"context"
	"strings"
	"time"

	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/extensions/internal/life"
	"github.com/lambent-host/lambent/telemetry"
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
	published, delivered, dropped int64
	batches                       []time.Duration
}

// missing are events that were neither taken nor told as dropped: those that the
// environment ended before.
func (a account) missing() int64 { return max(0, a.published-a.delivered-a.dropped) }

func (a account) figures() []Figure {
	return []Figure{
		count("events published", a.published), count("events delivered", a.delivered), count("events dropped", a.dropped),
		count("events undelivered at the end", a.missing()),
		count("batches", len(a.batches)), ms("answer to a batch p50", quantile(0.5, a.batches)), ms("answer to a batch p99", quantile(0.99, a.batches)),
	}
}

// account adds up, once the environment has ended. It reads all that was
// published. Events of the Logs API have other types: for a subscriber to it
// only lines are counted.
func (s *subject) account() account {
	_ = s.Close() // the stream ends, and has been shut down
	published := map[telemetry.Category]int64{}
	for ev, ok := s.published.TryNext(); ok; ev, ok = s.published.TryNext() {
		published[ev.Type.Category()]++
		if text, isText := ev.Record.(string); isText && ev.Type == telemetry.TypeExtension {
			s.b.output = append(s.b.output, strings.ToValidUTF8(text[:min(len(text), maxLine)], ""))
		}
	}
	a := account{batches: s.took()}
	var delivered map[telemetry.Type]int
	delivered, a.dropped = s.delivered()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sub := range s.subs {
		for _, category := range sub.Types {
			if category != telemetry.CategoryPlatform || !s.logsAPI {
				a.published += published[category]
			}
		}
	}
	for t, n := range delivered {
		if t != telemetry.TypeLogsDropped && (t.Category() != telemetry.CategoryPlatform || !s.logsAPI) {
			a.delivered += int64(n)
		}
	}
	return a
}

// an invocation of a function that writes nothing.
var silent = life.Invocation{}
