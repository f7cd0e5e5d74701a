package extensions

import (
	"fmt"
	"testing"
	"time"

	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/extensions/internal/actors"
	"github.com/lambent-host/lambent/telemetry"
)

// hostStage is a set of the host scope that is told of the environments "a" and "b"
// and not of "other".
func hostStage(t *testing.T, names ...string) (s *stage, open func(environment string) *telemetry.Stream) {
	t.Helper()
	s = newStage(t)
	bus := telemetry.NewBus()
	t.Cleanup(bus.Close)
	cfg := s.config(actors.Folder(t, names...))
	cfg.Scope = &HostScope{Bus: bus, From: func(src telemetry.Source) bool { return src.EnvironmentID != "other" }}
	set, err := Start(s.ctx(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.set = set
	t.Cleanup(func() { s.shutdown(0) })
	if err := set.FinishInit(s.ctx()); err != nil {
		t.Fatal(err)
	}
	return s, func(environment string) *telemetry.Stream {
		return bus.Open(telemetry.Source{EnvironmentID: environment, FunctionARN: "arn:" + environment, FunctionVersion: "1"})
	}
}

// prints waits until an extension has printed the line.
func (s *stage) prints(line string) {
	s.t.Helper()
	s.until(line, func(ev telemetry.Event) bool { return ev.Type == telemetry.TypeExtension && ev.Record == line })
}

func TestAnExtensionOfTheHostIsToldOfManyEnvironments(t *testing.T) {
	s, open := hostStage(t, "watcher")
	for _, environment := range []string{"other", "a", "b"} {
		open(environment).Publish(telemetry.TypeFunction, "a line")
	}
	s.prints("function a arn:a 1")
	s.prints("function b arn:b 1")
	for i, environment := range []string{"a", "b", "a"} { // all at once: it observes them one after the other
		s.set.Observe(InvokeEvent{EnvironmentID: environment, RequestID: fmt.Sprint(i), Deadline: time.Now().Add(time.Minute)})
	}
	for i, environment := range []string{"a", "b", "a"} {
		s.prints(fmt.Sprintf("INVOKE %s %d", environment, i))
	}
}

func TestAnExtensionOfTheHostHoldsUpNothing(t *testing.T) {
	s, open := hostStage(t, "hang", "watcher") // hang never takes a second event
	s.set.Observe(InvokeEvent{EnvironmentID: "a", RequestID: "first", Deadline: time.Now().Add(time.Minute)})
	if err := s.set.await(s.ctx(), func() (bool, error) { return s.set.all[0].state == stateRunning && !s.set.all[0].sending, nil }); err != nil {
		t.Fatal(err)
	}
	for i := range maxObserved + 10 {
		s.set.Observe(InvokeEvent{EnvironmentID: "a", RequestID: fmt.Sprint(i), Deadline: time.Now().Add(time.Minute)})
	}
	s.prints(fmt.Sprintf("INVOKE a %d", maxObserved+9))
	s.set.mu.Lock()
	for _, x := range s.set.all {
		if len(x.queue) > maxObserved {
			t.Errorf("%d events wait for %s", len(x.queue), x.name)
		}
		if x.name == "hang" && (len(x.queue) != maxObserved || x.queue[maxObserved-1].RequestID != fmt.Sprint(maxObserved+9)) {
			t.Errorf("it does not have the %d newest events", maxObserved)
		}
	}
	s.set.mu.Unlock()
	// Telemetry of an invocation does not wait until everybody has been told of it.
	open("b").Publish(telemetry.TypeRuntimeDone, telemetry.RuntimeDone{})
	open("b").Publish(telemetry.TypeFunction, "a line")
	s.prints("function b arn:b 1")
}

func TestOnlyTheHostScopeIsToldOfEnvironments(t *testing.T) {
	ev := telemetry.Event{Time: time.Unix(0, 0), Type: telemetry.TypeFunction, Record: "x", Source: &telemetry.Source{EnvironmentID: "e"}}
	for scope, want := range map[*HostScope]string{
		nil: `{"time":"1970-01-01T00:00:00.000Z","type":"function","record":"x"}`,
		{}:  `{"time":"1970-01-01T00:00:00.000Z","type":"function","record":"x","environmentId":"e"}`,
	} {
		set := &Set{cfg: Config{Scope: scope}}
		sub := extapi.Subscription{Schema: telemetry.Schema20221213, Destination: extapi.Destination{Protocol: extapi.ProtocolTCP}}
		if got, _, err := ev.Append(nil, nil, set.encoding(sub)); err != nil || string(got) != want+"\n" {
			t.Errorf("%s, %v; want %s", got, err, want)
		}
	}
}
