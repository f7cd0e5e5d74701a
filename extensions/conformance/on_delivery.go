package conformance

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"time"

	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/telemetry"
)

var deliveryScenarios = []Scenario{
	{
		Name: "unknown-events", What: "telemetry has types, fields and values that no schema of today knows",
		Expect: "the extension takes the batch and goes on",
		needs:  []need{aNormalLife, platformEvents},
		run:    unknownEvents,
	},
	{
		Name: "redelivery", What: "the answer to a batch is lost on its way, and the batch is sent again",
		Expect: "the extension takes it again and goes on",
		needs:  []need{aNormalLife, overHTTP},
		run:    redelivery,
	},
}

// future are events of a schema to come.
var future = map[telemetry.Type]string{
	"platform.hibernate":      `{"phase":"deep","depth":3,"spans":[{"name":"yawn","start":"2030-01-01T00:00:00.000Z","durationMs":1.5}]}`,
	"platform.remark":         `"a record that is text"`,
	telemetry.TypeStart:       `{"requestId":"00000000-0000-4000-8000-0000000000ff","version":"$LATEST","carbonGrams":0.001,"hosts":["a","b"],"tracing":{"type":"X-New-Trace","value":"v","baggage":{"a":1}}}`,
	telemetry.TypeRuntimeDone: `{"requestId":"00000000-0000-4000-8000-0000000000ff","status":"pondering","metrics":{"durationMs":1.0,"producedBytes":1,"joules":0.5},"spans":[{"name":"newSpan","start":"2030-01-01T00:00:00.000Z","durationMs":0.1,"attributes":{}}]}`,
	telemetry.TypeReport:      `{"requestId":"00000000-0000-4000-8000-0000000000ff","status":"pondering","metrics":{"durationMs":1.0,"billedDurationMs":1,"memorySizeMB":128,"maxMemoryUsedMB":1,"accelerators":[{"ms":1}]}}`,
	telemetry.TypeInitReport:  `{"initializationType":"from-the-future","phase":"other","metrics":{"durationMs":1.0,"x":{}}}`,
}

func unknownEvents(ctx context.Context, b *Bench) Verdict {
	return b.live(ctx, options{}, func(s *subject) Verdict {
		for typ, record := range future {
			s.Stream.Publish(typ, json.RawMessage(record))
		}
		if err := s.invoke(ctx, 3, talkative); err != nil {
			return fail("%v", err)
		}
		if wrong := s.endsWell(ctx); wrong != "" {
			return fail("%s: %s", wrong, s.lastTrouble())
		}
		if types := s.delivered(); types["platform.hibernate"] == 0 {
			return fail("the batch was not taken: %s", s.lastTrouble())
		}
		if wrong := faults(s.endings, extapi.ReasonSpindown); wrong != "" {
			return fail("%s", wrong)
		}
		return pass("%d events that nobody knows were taken, three invocations worked, and it ended in time", len(future))
	})
}

func redelivery(ctx context.Context, b *Bench) Verdict {
	lose := &atomic.Bool{}
	return b.live(ctx, options{lose: lose}, func(s *subject) Verdict {
		lose.Store(true)
		again := func() bool {
			broken := false
			for _, b := range s.batches {
				if broken && b.err == nil {
					return true
				}
				broken = broken || b.err != nil
			}
			return false
		}
		limited, cancel := context.WithTimeout(ctx, longestRedelivery)
		defer cancel()
		if err := s.invoke(ctx, 1, talkative); err != nil {
			return fail("%v", err)
		}
		s.await(limited, func() bool { return again() || s.someExited() })
		if !s.await(alreadyOver, again) {
			if wrong := s.endsWell(ctx); wrong != "" {
				return fail("when a batch came twice: %s", wrong)
			}
			if lose.Load() {
				return skip("no batch was sent within %s of an invocation", longestRedelivery)
			}
			return fail("the batch was not taken again within %s: %s", longestRedelivery, s.lastTrouble())
		}
		if err := s.invoke(ctx, 2, talkative); err != nil {
			return fail("after a batch had come twice: %v", err)
		}
		if wrong := s.endsWell(ctx); wrong != "" {
			return fail("after a batch had come twice: %s", wrong)
		}
		return pass("the batch was taken twice, and two more invocations worked")
	})
}

// longestRedelivery is how long the host tries.
const longestRedelivery = 10 * time.Second
