package extensions

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/extensions/place"
	"github.com/lambent-host/lambent/telemetry"
)

// FinishInit ends the init phase: registration closes, every extension has to
// ask for its first event, platform.extension is published for each and
// telemetry subscriptions close.
//
// An extension that fails is an [*ExtensionError]. When ctx is done first the
// error wraps ctx.Err() and names who is missing; FinishInit can then be called
// again, and subscriptions stay open until it succeeds.
func (s *Set) FinishInit(ctx context.Context) error {
	s.mu.Lock()
	s.registration = false
	s.mu.Unlock()
	if err := s.await(ctx, s.allPolled); err != nil {
		s.report(err)
		return err
	}
	s.report(nil)
	s.mu.Lock()
	s.telemetry = false
	s.mu.Unlock()
	return nil
}

// Invoke hands INVOKE to every extension that registered for it. It never
// blocks: an extension that is not waiting gets it with its next call.
func (s *Set) Invoke(ev InvokeEvent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.all) == 0 {
		return
	}
	event := invokeEvent(ev)
	for _, x := range s.all {
		if x.wants(extapi.Invoke) && !x.state.failed() {
			x.queue = []extapi.Event{event}
		}
	}
	s.broadcast()
}

// invokeEvent is an INVOKE as an extension is told of it.
func invokeEvent(ev InvokeEvent) extapi.Event {
	event := extapi.Event{
		EventType:          extapi.Invoke,
		DeadlineMs:         ev.Deadline.UnixMilli(),
		RequestID:          ev.RequestID,
		InvokedFunctionARN: ev.FunctionARN,
		EnvironmentID:      ev.EnvironmentID,
	}
	if ev.TraceID != "" {
		event.Tracing = &extapi.Tracing{Type: telemetry.TracingType, Value: ev.TraceID}
	}
	return event
}

// Err is the failure of the first extension that ended or reported an error, an
// [*ExtensionError], or nil.
func (s *Set) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failure()
}

// failure is called with the lock.
func (s *Set) failure() error {
	for _, x := range s.all {
		if x.failed != nil {
			return x.failed
		}
	}
	return nil
}

// Bind returns a context that ends when an extension fails, with the
// [*ExtensionError] as its cause: on Lambda the end of an extension ends the
// invocation. One context is bound at a time; release it with the function.
func (s *Set) Bind(ctx context.Context) (context.Context, func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.all) == 0 {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	s.broken = cancel
	if err := s.failure(); err != nil {
		cancel(err)
	}
	return ctx, func() {
		s.mu.Lock()
		s.broken = nil
		s.mu.Unlock()
		cancel(nil)
	}
}

// AwaitIdle waits until every extension that registered for INVOKE has taken it
// and called next again. If an extension ended or reported an error, now or
// since the last call, that is an [*ExtensionError]; when ctx is done first, the
// error wraps ctx.Err() and names who is still at work.
func (s *Set) AwaitIdle(ctx context.Context) error { return s.await(ctx, s.allIdle) }

// Gates tells whether an extension receives INVOKE, so that an invocation ends only
// with its next call; where none does, AwaitIdle waits for nobody.
func (s *Set) Gates() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.all, func(x *extension) bool { return x.wants(extapi.Invoke) })
}

func (s *Set) allRegistered() (bool, error) {
	return s.none(func(x *extension) bool { return x.state == stateStarted })
}

func (s *Set) allPolled() (bool, error) {
	return s.none(func(x *extension) bool { return !x.polled })
}

func (s *Set) allIdle() (bool, error) {
	return s.none(func(x *extension) bool { return x.wants(extapi.Invoke) && !x.idle() })
}

// none tells whether pending holds for no extension. One that failed is an error.
func (s *Set) none(pending func(*extension) bool) (bool, error) {
	ok := true
	for _, x := range s.all {
		if x.failed != nil {
			return false, x.failed
		}
		ok = ok && !pending(x)
	}
	return ok, nil
}

// await waits until cond, which is called with the lock, holds or fails.
func (s *Set) await(ctx context.Context, cond func() (bool, error)) error {
	for {
		s.mu.Lock()
		ok, err := cond()
		changed := s.changed
		s.mu.Unlock()
		if ok || err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("extensions: %s: %w", s.states(), ctx.Err())
		}
	}
}

// states tells how far each extension has come, for errors.
func (s *Set) states() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	words := make([]string, 0, len(s.all))
	for _, x := range s.all {
		words = append(words, x.name+" is "+string(x.state))
	}
	return strings.Join(words, ", ")
}

// broadcast wakes everyone in await. It is called with the lock.
func (s *Set) broadcast() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// fail takes an extension out of service. The first failure of an extension is
// the one that counts; words are the extension's own, which may tell what can be done
// about it. It is called with the lock.
func (s *Set) fail(x *extension, st state, typ, reason, words string) {
	if !x.state.failed() {
		x.state = st
	}
	x.queue = nil
	advice := ""
	if !s.stopping && (x.failed == nil || x.failed.Advice == "") {
		advice = place.Advise(s.room, words)
	}
	if x.failed == nil && !s.stopping {
		// Whole before it is told: who has it reads it without the lock.
		x.failed = &ExtensionError{Name: x.name, Type: typ, Reason: reason, Advice: advice}
		s.log.Warn().Str("extension", x.name).Str("type", typ).Str("reason", reason).Msg("extension failed")
		if s.broken != nil {
			s.broken(x.failed)
		}
	}
	if advice != "" {
		s.log.Warn().Str("extension", x.name).Msg(advice)
	}
	s.broadcast()
}

// exited is called when the process of an extension has ended. What it wrote last
// is for the operator: whoever subscribed to it may have been the extension itself.
func (s *Set) exited(x *extension, status, output string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x.gone = true
	s.observe(x, "exited", status)
	if !s.stopping && output != "" {
		s.log.Warn().Str("extension", x.name).Str("output", output).Msg("what an extension wrote before it ended")
	}
	s.fail(x, stateExited, extapi.FatalCrash, status, output)
}

// report publishes platform.extension for every extension, once: when the init
// phase ends, or when an extension has failed it.
func (s *Set) report(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	failed := slices.ContainsFunc(s.all, func(x *extension) bool { return x.failed != nil })
	if s.reported || (err != nil && !failed) {
		return
	}
	s.reported = true
	for _, x := range s.all {
		record := telemetry.Extension{Name: x.name, State: string(x.state), Events: eventNames(x.events)}
		if x.failed != nil {
			record.ErrorType = x.failed.Reason
			if x.failed.Type == extapi.FatalCrash {
				record.ErrorType = x.failed.Type
			}
		}
		s.cfg.Stream.Publish(telemetry.TypeExtensionState, record)
	}
}

func eventNames(events []extapi.EventType) []string {
	names := make([]string, 0, len(events))
	for _, event := range events {
		names = append(names, string(event))
	}
	return names
}

func joinEvents(events []extapi.EventType) string { return strings.Join(eventNames(events), ",") }
