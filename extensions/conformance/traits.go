package conformance

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/extensions/internal/life"
	"github.com/lambent-host/lambent/telemetry"
)

// traits are what a normal life shows of the extensions.
type traits struct {
	broken   string // why there is no normal life; "" if there is
	asked    []extapi.EventType
	shutdown int // how many registered for SHUTDOWN
	subs     []extapi.Subscription
	told     bool // of the sink
	requests int  // that the sink saw
}

// traits leads a normal life, the first time.
func (b *Bench) traits(ctx context.Context) traits {
	if b.known != nil {
		return *b.known
	}
	ctx, cancel := context.WithTimeout(ctx, b.cfg.Timeout)
	defer cancel()
	t := traits{told: b.cfg.told()}
	verdict := b.live(ctx, options{}, func(s *subject) Verdict {
		err := s.invoke(ctx, 3, talkative)
		if err == nil {
			err = s.shutdown(ctx, extapi.ReasonSpindown)
		}
		if err != nil {
			return fail("a normal life failed: %v", err)
		}
		t.learn(s)
		return pass("")
	})
	if verdict.Outcome == Fail {
		t.broken = verdict.Seen
	}
	if ctx.Err() == nil {
		b.known = &t
	}
	return t
}

func (t *traits) learn(s *subject) {
	t.requests, _ = s.sink.seen()
	s.mu.Lock()
	defer s.mu.Unlock()
	t.subs = slices.Clone(s.subs)
	for _, a := range s.activities {
		if a.What != "registered" {
			continue
		}
		for _, event := range strings.Split(a.Detail, ",") {
			t.asked = append(t.asked, extapi.EventType(event))
			if event == string(extapi.Shutdown) {
				t.shutdown++
			}
		}
	}
}

// talkative is a function that writes a few lines.
var talkative = life.Invocation{Write: lines(10)}

// lines writes so many of them.
func lines(n int) func(io.Writer) {
	return func(stdout io.Writer) {
		for i := range n {
			fmt.Fprintf(stdout, "line %d of the function: the quick brown fox jumps over the lazy dog\n", i)
		}
	}
}

// A normal life is what every scenario but those of the init phase needs.
func aNormalLife(t traits) string {
	if t.broken != "" {
		return "not tried: " + t.broken
	}
	return ""
}

// subscribed returns a need for a subscription to the category.
func subscribed(category telemetry.Category) need {
	return func(t traits) string {
		if slices.ContainsFunc(t.subs, func(s extapi.Subscription) bool { return slices.Contains(s.Types, category) }) {
			return ""
		}
		return fmt.Sprintf("it does not subscribe to %q", category)
	}
}

// platformEvents is a subscription to them by the Telemetry API: the Logs API has
// others, which are no longer going to change.
func platformEvents(t traits) string {
	if reason := subscribed(telemetry.CategoryPlatform)(t); reason != "" {
		return reason
	}
	if slices.ContainsFunc(t.subs, func(s extapi.Subscription) bool {
		return !s.Schema.Logs() && slices.Contains(s.Types, telemetry.CategoryPlatform)
	}) {
		return ""
	}
	return "it takes platform events by the Logs API alone"
}

func overHTTP(t traits) string {
	if slices.ContainsFunc(t.subs, func(s extapi.Subscription) bool { return s.Destination.Protocol == extapi.ProtocolHTTP }) {
		return ""
	}
	return "it takes no telemetry over HTTP, and there are no answers otherwise"
}

func anySubscription(t traits) string {
	if len(t.subs) == 0 {
		return "it does not subscribe to telemetry"
	}
	return ""
}

func asksFor(event extapi.EventType) need {
	return func(t traits) string {
		if slices.Contains(t.asked, event) {
			return ""
		}
		return "it does not register for " + string(event)
	}
}

func aSink(t traits) string {
	if !t.told {
		return "its backend is not known to be configurable: no variable was given the sink's address"
	}
	return ""
}

func aSinkInUse(t traits) string {
	if reason := aSink(t); reason != "" {
		return reason
	}
	if t.requests == 0 {
		return "nothing arrived at the sink in a normal life, see sink-data"
	}
	return ""
}

func visibleProcesses(traits) string {
	if !canSeeProcesses {
		return "this system does not show what a process does"
	}
	return ""
}
