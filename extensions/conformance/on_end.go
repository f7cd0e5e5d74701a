package conformance

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/extensions/internal/life"
)

var endScenarios = []Scenario{
	{
		Name: "shutdown", What: "the environment ends after three invocations",
		Expect: "the extension takes SHUTDOWN and ends by itself within the budget of 2 s, with exit status 0",
		needs:  []need{aNormalLife, asksFor(extapi.Shutdown)},
		run: func(ctx context.Context, b *Bench) Verdict {
			return endAfter(ctx, b, 3, talkative)
		},
	},
	{
		Name: "shutdown-at-once", What: "the environment ends without an invocation",
		Expect: "the extension takes SHUTDOWN and ends by itself within the budget of 2 s, with exit status 0",
		needs:  []need{aNormalLife, asksFor(extapi.Shutdown)},
		run: func(ctx context.Context, b *Bench) Verdict {
			return endAfter(ctx, b, 0, silent)
		},
	},
	{
		Name: "quiet-end", What: "the last invocation's report does not come, nor any telemetry after SHUTDOWN",
		Expect: "the extension does not wait for it: it ends by itself within the budget of 2 s",
		needs:  []need{aNormalLife, asksFor(extapi.Shutdown), anySubscription},
		run: func(ctx context.Context, b *Bench) Verdict {
			return endAfter(ctx, b, 1, life.Invocation{Write: lines(1), Unreported: true})
		},
	},
	{
		Name: "shutdown-unasked", What: "the environment of an extension ends that did not register for SHUTDOWN",
		Expect: "it is killed at once, as on Lambda, and nothing of it is left",
		needs:  []need{aNormalLife, notAskedForShutdown, visibleProcesses},
		run: func(ctx context.Context, b *Bench) Verdict {
			return b.live(ctx, options{}, func(s *subject) Verdict {
				if err := s.shutdown(ctx, extapi.ReasonSpindown); err != nil {
					return fail("%v", err)
				}
				if left := s.leftovers(ctx); len(left) > 0 {
					return fail("left behind: %s", names(left))
				}
				return pass("%s; nothing is left", howEnded(s.endings))
			})
		},
	},
	{
		Name: "sigterm", What: "the processes get SIGTERM between two invocations, as programs do that a supervisor ends",
		Expect: "each ends within 2 s, or goes on working as if nothing had been: it does not stay half alive",
		needs:  []need{aNormalLife, visibleProcesses},
		run:    sigterm,
	},
	{
		Name: "leftovers", What: "processes are counted while the environment lives and after it has ended",
		Expect: "there is no zombie among the extension's children, and no process is left",
		needs:  []need{aNormalLife, visibleProcesses},
		run:    leftovers,
	},
}

func notAskedForShutdown(t traits) string {
	if t.shutdown > 0 {
		return "it registers for SHUTDOWN"
	}
	return ""
}

func endAfter(ctx context.Context, b *Bench, invocations int, in life.Invocation) Verdict {
	return b.live(ctx, options{}, func(s *subject) Verdict {
		if err := s.invoke(ctx, invocations, in); err != nil {
			return fail("%v", err)
		}
		if err := s.shutdown(ctx, extapi.ReasonSpindown); err != nil {
			return fail("%v", err)
		}
		if wrong := faults(s.endings, extapi.ReasonSpindown); wrong != "" {
			return fail("%s", wrong)
		}
		return pass("%s", howEnded(s.endings)).with(ms("end after SHUTDOWN", slowest(s.endings)))
	})
}

// grace is how long a process may take to end when it has to.
const grace = 2 * time.Second

func sigterm(ctx context.Context, b *Bench) Verdict {
	return b.live(ctx, options{}, func(s *subject) Verdict {
		if err := s.invoke(ctx, 1, silent); err != nil {
			return fail("%v", err)
		}
		leaders := slices.DeleteFunc(processes(s.mark), func(p proc) bool { return p.pid != p.group })
		if len(leaders) == 0 {
			return skip("the processes could not be found")
		}
		for _, p := range leaders {
			if err := p.terminate(); err != nil {
				return skip("SIGTERM could not be sent to %s: %v", p.name, err)
			}
		}
		limited, cancel := context.WithTimeout(ctx, grace)
		defer cancel()
		if s.await(limited, s.allExited) {
			return pass("it ended: %s", s.exits())
		}
		if s.await(alreadyOver, s.someExited) {
			return fail("of several extensions some ended and some did not: %s", s.exits())
		}
		if err := s.invoke(ctx, 1, silent); err != nil {
			return fail("it neither ended nor went on: %v", err)
		}
		return pass("it went on working, as Lambda sends no SIGTERM to extensions")
	})
}

// alreadyOver makes a wait a look.
var alreadyOver = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// allExited is called with the lock.
func (s *subject) allExited() bool {
	return !slices.ContainsFunc(s.b.names, func(name string) bool {
		_, ok := find(s.activities, name, "exited")
		return !ok
	})
}

// someExited is called with the lock.
func (s *subject) someExited() bool {
	return slices.ContainsFunc(s.b.names, func(name string) bool {
		_, ok := find(s.activities, name, "exited")
		return ok
	})
}

// exits tells how each extension ended that did.
func (s *subject) exits() string {
	var all []string
	for _, name := range s.b.names {
		if a, ok := s.when(name, "exited"); ok {
			all = append(all, name+" with "+a.Detail)
		}
	}
	return strings.Join(all, ", ")
}

func leftovers(ctx context.Context, b *Bench) Verdict {
	return b.live(ctx, options{}, func(s *subject) Verdict {
		if err := s.invoke(ctx, 10, talkative); err != nil {
			return fail("%v", err)
		}
		alive := processes(s.mark)
		zombies := slices.DeleteFunc(slices.Clone(alive), func(p proc) bool { return !p.zombie })
		if err := s.shutdown(ctx, extapi.ReasonSpindown); err != nil {
			return fail("%v", err)
		}
		left := s.leftovers(ctx)
		figures := []Figure{count("processes", len(alive)), count("zombies", len(zombies)), count("processes left", len(left))}
		switch {
		case len(zombies) > 0:
			return fail("children that nobody waited for: %s", names(zombies)).with(figures...)
		case len(left) > 0:
			return fail("left behind: %s", names(left)).with(figures...)
		}
		return pass("%d processes lived, and none is left", len(alive)).with(figures...)
	})
}

// leftovers are the processes that are still there a while after the end.
func (s *subject) leftovers(ctx context.Context) []proc {
	limited, cancel := context.WithTimeout(ctx, grace/2)
	defer cancel()
	for {
		left := processes(s.mark)
		if len(left) == 0 {
			return nil
		}
		select {
		case <-limited.Done():
			return left
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func names(all []proc) string {
	words := make([]string, 0, len(all))
	for _, p := range all {
		words = append(words, fmt.Sprintf("%s (%d)", p.name, p.pid))
	}
	return strings.Join(words, ", ")
}
