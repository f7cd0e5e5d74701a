package conformance

import (
	"context"
	"fmt"

	"github.com/lambent-host/lambent/extensions/internal/life"
)

var sinkScenarios = []Scenario{
	{
		Name: "sink-data", What: "the extension's backend is well, and the environment lives and ends",
		Expect: "something arrives at the backend",
		needs:  []need{aNormalLife, aSink},
		run: func(ctx context.Context, b *Bench) Verdict {
			return sinkLife(ctx, b, moodWell, func(s *subject) Verdict {
				if n, _ := s.sink.seen(); n == 0 {
					return fail("nothing arrived at the sink (port %d), although the extension was told of it", s.sink.port)
				}
				return pass("")
			})
		},
	},
	sinkScenario("sink-slow", fmt.Sprintf("the backend takes %s for each answer", slowAnswer), moodSlow),
	sinkScenario("sink-errors", "the backend answers every request with 503", moodErrors),
	sinkScenario("sink-down", "the backend refuses connections", moodDown),
	sinkScenario("sink-hangs", "the backend takes requests and never answers", moodHangs),
	{
		Name: "sink-returns", What: "the backend goes away after two invocations, and comes back after four",
		Expect: "no invocation suffers, and the environment ends",
		needs:  []need{aNormalLife, aSinkInUse},
		run:    sinkReturns,
	},
}

// sinkScenario is a life with a sink in the same mood from beginning to end.
func sinkScenario(name, what string, m mood) Scenario {
	return Scenario{
		Name: name, What: what,
		Expect: "it initialises itself and no invocation reaches the function's timeout: a function does not suffer from where its telemetry goes",
		needs:  []need{aNormalLife, aSinkInUse},
		run: func(ctx context.Context, b *Bench) Verdict {
			return sinkLife(ctx, b, m, func(*subject) Verdict { return pass("") })
		},
	}
}

// sinkLife leads a life of five invocations; check comes at the end of it.
func sinkLife(ctx context.Context, b *Bench, m mood, check func(*subject) Verdict) Verdict {
	return b.live(ctx, options{sink: m}, func(s *subject) Verdict {
		if err := s.invoke(ctx, 5, talkative); err != nil {
			return fail("%v", err).with(s.sinkFigures()...)
		}
		return s.sinkEnd(ctx, check)
	})
}

func (s *subject) sinkEnd(ctx context.Context, check func(*subject) Verdict) Verdict {
	if wrong := s.endsWell(ctx); wrong != "" {
		return fail("%s", wrong).with(s.sinkFigures()...)
	}
	verdict := check(s)
	if verdict.Outcome == Pass {
		requests, _ := s.sink.seen()
		verdict.Seen = fmt.Sprintf("invocations were held up for %.2f ms (p50) and %.2f ms (p99); the sink saw %d requests; %s",
			ms("", quantile(0.5, s.overheads)).Value, ms("", quantile(0.99, s.overheads)).Value, requests, howEnded(s.endings))
	}
	return verdict.with(s.sinkFigures()...)
}

func (s *subject) sinkFigures() []Figure {
	requests, bytes := s.sink.seen()
	return append(overheads(s.overheads), count("sink requests", requests), count("sink bytes", bytes))
}

func sinkReturns(ctx context.Context, b *Bench) Verdict {
	return b.live(ctx, options{}, func(s *subject) Verdict {
		for _, m := range []mood{moodWell, moodDown, moodWell} {
			if err := s.sink.set(m); err != nil {
				return skip("the kit could not use its own port again: %v", err)
			}
			if err := s.invoke(ctx, 2, life.Invocation{Write: lines(10)}); err != nil {
				return fail("%v", err).with(s.sinkFigures()...)
			}
		}
		return s.sinkEnd(ctx, func(*subject) Verdict { return pass("") })
	})
}
