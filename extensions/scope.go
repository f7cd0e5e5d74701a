package extensions

import (
	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/telemetry"
)

// HostScope is that of extensions which serve many execution environments with one
// process. They are told the events of all, each with the environment it comes from
// ([telemetry.Event.EncodeFrom]), and observe their invocations; they hold up none.
type HostScope struct {
	Bus *telemetry.Bus
	// From chooses the environments; nil means all.
	From func(telemetry.Source) bool
}

// maxObserved bounds the INVOKE events that wait for an extension of the host
// scope. One that falls behind loses the oldest; telemetry tells of them all.
const maxObserved = 1000

// Observe hands INVOKE to every extension of the host scope that registered for it.
// It never blocks, and nobody waits for what the extensions do.
func (s *Set) Observe(ev InvokeEvent) {
	event := invokeEvent(ev)
	s.mu.Lock()
	defer s.mu.Unlock()
	told := false
	for _, x := range s.all {
		if !x.wants(extapi.Invoke) || x.state.failed() || s.stopping {
			continue
		}
		if len(x.queue) == maxObserved {
			x.queue = x.queue[1:]
		}
		x.queue = append(x.queue, event)
		told = true
	}
	if told {
		s.broadcast()
	}
}

// subscribeTo opens what a subscription reads, in the place of another one if there
// is one.
func (s *Set) subscribeTo(cfg telemetry.SubscriptionConfig, other *telemetry.Subscription) *telemetry.Subscription {
	if s.cfg.Scope == nil {
		return s.cfg.Stream.Resubscribe(other, cfg)
	}
	cfg.From = s.cfg.Scope.From
	return s.cfg.Scope.Bus.Resubscribe(other, cfg)
}

// encoding is how the scope and the subscription have events written.
func (s *Set) encoding(sub extapi.Subscription) telemetry.Encoding {
	enc := telemetry.Encoding{Schema: sub.Schema, Source: s.cfg.Scope != nil, Separator: separatorHTTP}
	if sub.Destination.Protocol == extapi.ProtocolTCP {
		enc.Separator = separatorTCP
	}
	return enc
}
