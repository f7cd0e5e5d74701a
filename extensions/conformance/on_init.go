package conformance

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/extensions/internal/life"
	"github.com/lambent-host/lambent/telemetry"
)

var initScenarios = []Scenario{
	{
		Name: "register", What: "the executable is started",
		Expect: "it registers in time, under the name of its file and for events that exist",
		run:    register,
	},
	{
		Name: "first-next", What: "it is left to initialise itself",
		Expect: "it asks for its first event before the init phase is over",
		run:    firstNext,
	},
	{
		Name: "cold-init", What: "five environments are started, one after the other",
		Expect: "each init phase succeeds in time",
		run:    coldInit,
	},
	{
		Name: "calls", What: "a whole life with three invocations",
		Expect: "none of its calls is refused, and it subscribes before its first event",
		run:    calls,
	},
	{
		Name: "early-events", What: "events are published before it subscribes",
		Expect: "its listener takes what was kept for it of the init phase",
		needs:  []need{aNormalLife, platformEvents},
		run:    earlyEvents,
	},
}

func register(ctx context.Context, b *Bench) Verdict {
	return b.opened(options{}, func(s *subject) Verdict {
		err := s.Start(ctx)
		took := s.sinceStarted()
		if strangers := s.strangers(); len(strangers) > 0 {
			return fail("it registered as %q; the name of its file is %q", strangers, b.names)
		}
		if refused := s.refused(); err != nil && len(refused) > 0 {
			return fail("%v; refused: %s", err, strings.Join(refused, "; "))
		}
		if err != nil {
			return fail("%v", err)
		}
		var seen []string
		for _, name := range b.names {
			a, _ := s.when(name, "registered")
			seen = append(seen, fmt.Sprintf("%s registered for [%s]", name, a.Detail))
		}
		return pass("%s after %d ms", strings.Join(seen, ", "), took.Milliseconds()).with(ms("register", took))
	})
}

// sinceStarted is how long it is since the first process was started: what the
// making of its place took is the host's.
func (s *subject) sinceStarted() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.started)
}

// strangers are the names that were registered and that no file has. An
// extension may host others inside itself, so they matter only where one of the
// files did not register.
func (s *subject) strangers() (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	registered := func(name string) bool {
		_, ok := find(s.activities, name, "registered")
		return ok
	}
	missing := slices.ContainsFunc(s.b.names, func(name string) bool { return !registered(name) })
	for _, c := range s.calls {
		if missing && c.path == extapi.PathRegister && !slices.Contains(s.b.names, c.extension) {
			names = append(names, c.extension)
		}
	}
	return names
}

func firstNext(ctx context.Context, b *Bench) Verdict {
	return b.opened(options{}, func(s *subject) Verdict {
		if err := s.init(ctx); err != nil {
			return fail("%v", err)
		}
		took := s.sinceStarted()
		return pass("the init phase was over after %d ms", took.Milliseconds()).with(ms("init", took))
	})
}

func coldInit(ctx context.Context, b *Bench) Verdict {
	const times = 5
	var all []time.Duration
	for i := range times {
		verdict := b.opened(options{}, func(s *subject) Verdict {
			if err := s.init(ctx); err != nil {
				return fail("start %d of %d: %v", i+1, times, err)
			}
			all = append(all, s.sinceStarted())
			return pass("")
		})
		if verdict.Outcome != Pass {
			return verdict
		}
	}
	return pass("it adds %d ms to a cold start (median of %d; slowest %d ms)",
		quantile(0.5, all).Milliseconds(), times, slices.Max(all).Milliseconds()).
		with(ms("cold init p50", quantile(0.5, all)), ms("cold init max", slices.Max(all)))
}

func calls(ctx context.Context, b *Bench) Verdict {
	return b.live(ctx, options{}, func(s *subject) Verdict {
		if err := s.invoke(ctx, 3, talkative); err != nil {
			return fail("%v", err)
		}
		if err := s.shutdown(ctx, extapi.ReasonSpindown); err != nil {
			return fail("%v", err)
		}
		if refused := s.refused(); len(refused) > 0 {
			return fail("%d calls were refused: %s", len(refused), strings.Join(refused, "; "))
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		made := map[string]int{}
		for _, c := range s.calls {
			made[c.path]++
		}
		return pass("%d register, %d next, %d subscribe; none refused", made[extapi.PathRegister], made[extapi.PathNext],
			made[extapi.PathTelemetry]+made[extapi.PathLogs]).with(count("refused calls", 0))
	})
}

func earlyEvents(ctx context.Context, b *Bench) Verdict {
	return b.live(ctx, options{}, func(s *subject) Verdict {
		limited, cancel := context.WithTimeout(ctx, longestBatch)
		defer cancel()
		// Some take telemetry only while an invocation runs.
		if err := s.invoke(ctx, 1, life.Invocation{}); err != nil {
			return fail("%v", err)
		}
		arrived := func() bool {
			return slices.ContainsFunc(s.batches, func(b batch) bool { return b.err == nil && b.types[telemetry.TypeInitStart] > 0 })
		}
		if s.await(limited, arrived) {
			return pass("platform.initStart arrived")
		}
		if err := s.shutdown(ctx, extapi.ReasonSpindown); err != nil {
			return fail("%v", err)
		}
		if s.await(alreadyOver, arrived) {
			return pass("platform.initStart arrived before SHUTDOWN")
		}
		return fail("platform.initStart did not arrive: %s", s.lastTrouble())
	})
}

// longestBatch is how long a subscription with usual buffering may keep a batch back.
const longestBatch = 2 * time.Second

// lastTrouble is why the last batch that was refused was.
func (r *record) lastTrouble() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range slices.Backward(r.batches) {
		if b.err != nil {
			return b.err.Error()
		}
	}
	return "no batch was refused, and none with it was sent"
}
