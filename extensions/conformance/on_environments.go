package conformance

import (
	"context"
	"fmt"

	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/extensions/place"
)

var environmentScenarios = []Scenario{
	{
		Name: "restart", What: "three environments follow each other without a pause",
		Expect: "each works: nothing that one leaves is in the way of the next",
		needs:  []need{aNormalLife},
		run:    restart,
	},
	{
		Name: "two-environments", What: "two environments of one function live at once, first on one network, and if need be each on its own",
		Expect: "both work; an extension that binds a fixed port works where each environment has a network of its own, as on Lambda",
		needs:  []need{aNormalLife},
		run:    twoEnvironments,
	},
}

func restart(ctx context.Context, b *Bench) Verdict {
	const times = 3
	for i := range times {
		verdict := b.live(ctx, options{}, func(s *subject) Verdict {
			if err := s.invoke(ctx, 1, talkative); err != nil {
				return fail("%v", err)
			}
			if err := s.shutdown(ctx, extapi.ReasonSpindown); err != nil {
				return fail("%v", err)
			}
			return pass("")
		})
		if verdict.Outcome != Pass {
			verdict.Seen = fmt.Sprintf("environment %d of %d: %s", i+1, times, verdict.Seen)
			return verdict
		}
	}
	return pass("%d environments worked", times)
}

func twoEnvironments(ctx context.Context, b *Bench) Verdict {
	shared := pair(ctx, b, loopback)
	if shared == nil {
		return pass("both worked, on one network")
	}
	own, err := b.cfg.own(ctx, place.Full, b.sink)
	if err != nil {
		return skip("on one network they collide (%v), and this machine cannot give each environment a network of its own: %v", shared, err)
	}
	if err := pair(ctx, b, own); err != nil {
		return fail("on one network: %v; each on a network of its own: %v", shared, err)
	}
	return pass("each on a network of its own, as on Lambda, both worked; on one network they collide: %v", shared)
}

// pair leads two environments at once.
func pair(ctx context.Context, b *Bench, at where) error {
	var both []*subject
	for range 2 {
		s, err := b.open(options{where: &at})
		if err != nil {
			return err
		}
		defer s.end()
		if err := s.init(ctx); err != nil {
			return fmt.Errorf("environment %d did not start: %w", len(both)+1, err)
		}
		both = append(both, s)
	}
	for range 3 {
		for i, s := range both {
			if err := s.invoke(ctx, 1, talkative); err != nil {
				return fmt.Errorf("environment %d: %w", i+1, err)
			}
		}
	}
	for i, s := range both {
		if err := s.shutdown(ctx, extapi.ReasonSpindown); err != nil {
			return fmt.Errorf("environment %d: %w", i+1, err)
		}
		if wrong := s.delivers(); wrong != "" {
			return fmt.Errorf("environment %d: %s", i+1, wrong)
		}
	}
	return nil
}

// delivers tells what is wrong with an environment whose extension subscribed
// and got nothing: its port may be another environment's.
func (s *subject) delivers() string {
	s.mu.Lock()
	subscribed := len(s.subs) > 0
	s.mu.Unlock()
	if types := s.delivered(); subscribed && len(types) == 0 {
		return "no telemetry was taken: " + s.lastTrouble()
	}
	return ""
}
