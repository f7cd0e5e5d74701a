package conformance

import (
	"context"

	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/extensions/internal/life"
	"github.com/lambent-host/lambent/telemetry"
)

var functionScenarios = []Scenario{
	{
		Name: "function-error", What: "the function's handler answers with an error",
		Expect: "the extension goes on, and so does the environment",
		needs:  []need{aNormalLife},
		run: func(ctx context.Context, b *Bench) Verdict {
			return b.live(ctx, options{}, func(s *subject) Verdict {
				for _, in := range []life.Invocation{{HandlerError: true, Write: lines(1)}, talkative} {
					if err := s.invoke(ctx, 1, in); err != nil {
						return fail("%v", err)
					}
				}
				if wrong := s.endsWell(ctx); wrong != "" {
					return fail("%s", wrong)
				}
				return pass("the next invocation worked").with(overheads(s.overheads)...)
			})
		},
	},
	{
		Name: "function-crash", What: "the function's process dies in its second invocation; the environment is reset",
		Expect: "the extension takes SHUTDOWN with the reason failure, ends, and works in the next environment",
		needs:  []need{aNormalLife},
		run: func(ctx context.Context, b *Bench) Verdict {
			crash := life.Invocation{Write: lines(1), Status: telemetry.StatusError, ErrorType: "Runtime.ExitError"}
			return afterReset(ctx, b, crash, extapi.ReasonFailure)
		},
	},
	{
		Name: "function-timeout", What: "the function does not end before its timeout; the environment is reset",
		Expect: "the extension takes SHUTDOWN with the reason timeout, ends, and works in the next environment",
		needs:  []need{aNormalLife},
		run: func(ctx context.Context, b *Bench) Verdict {
			timeout := life.Invocation{Write: lines(1), Status: telemetry.StatusTimeout}
			return afterReset(ctx, b, timeout, extapi.ReasonTimeout)
		},
	},
}

// afterReset has the second invocation end badly, and looks at how the extension
// takes that and at what comes after.
func afterReset(ctx context.Context, b *Bench, bad life.Invocation, reason string) Verdict {
	var seen Verdict
	verdict := b.live(ctx, options{}, func(s *subject) Verdict {
		if err := s.invoke(ctx, 1, silent); err != nil {
			return fail("%v", err)
		}
		if _, err := s.Invoke(ctx, bad); err != nil {
			return fail("%v", err)
		}
		if err := s.shutdown(ctx, reason); err != nil {
			return fail("%v", err)
		}
		if wrong := faults(s.endings, reason); wrong != "" {
			return fail("%s", wrong)
		}
		seen = pass("%s; the next environment worked", howEnded(s.endings)).with(ms("end after a reset", slowest(s.endings)))
		return seen
	})
	if verdict.Outcome != Pass {
		return verdict
	}
	verdict = b.live(ctx, options{}, func(s *subject) Verdict {
		if err := s.invoke(ctx, 1, talkative); err != nil {
			return fail("the next environment: %v", err)
		}
		return seen
	})
	if verdict.Outcome == Fail {
		verdict.Seen = "after the reset: " + verdict.Seen
	}
	return verdict
}
