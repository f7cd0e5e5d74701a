package extensions

import (
	"strings"
	"testing"
	"time"

	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/extensions/internal/actors"
	"github.com/lambent-host/lambent/extensions/place"
	"github.com/lambent-host/lambent/telemetry"
)

// TestAPortOfAnotherEnvironmentIsRefused where both are on this machine's network: the
// telemetry of one function would go to an extension of another.
func TestAPortOfAnotherEnvironmentIsRefused(t *testing.T) {
	first, second := started(t, "ignorant"), started(t, "ignorant")
	if err := place.Claim(first.set.room, 4243); err != nil {
		t.Fatal(err)
	}
	var err error
	for range 2 { // a refusal leaves nothing behind
		err = subscribeTo(t, second, 4243)
		if err == nil || !strings.Contains(err.Error(), "port 4243") || !strings.Contains(err.Error(), "--extension-isolation") {
			t.Fatalf("error %v, want one that says what to do", err)
		}
	}
	if err := subscribeTo(t, second, 4244); err != nil {
		t.Error(err)
	}
	first.shutdown(0)
	if err := subscribeTo(t, second, 4243); err != nil {
		t.Errorf("the other environment is gone: %v", err)
	}
}

// TestEnvironmentsOfOneExtensionRunAtOnce although it listens on one port: isolated, both
// are served; on one machine, the second is told what to do.
func TestEnvironmentsOfOneExtensionRunAtOnce(t *testing.T) {
	where, err := place.New(t.Context(), place.Config{Isolation: place.Full})
	if err != nil {
		t.Skipf("SKIPPED: this machine makes no namespaces: %v", err)
	}
	var both []*stage
	for range 2 {
		s := newStage(t)
		cfg := s.config(actors.Folder(t, "settler"))
		cfg.Place, cfg.Tmp = where, t.TempDir()
		if s.set, err = Start(s.ctx(), cfg); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.shutdown(0) })
		if err := s.set.FinishInit(s.ctx()); err != nil {
			t.Fatal(err)
		}
		both = append(both, s)
	}
	for _, s := range both {
		s.set.Invoke(InvokeEvent{RequestID: "r", Deadline: time.Now().Add(limit)})
		if err := s.set.AwaitIdle(s.ctx()); err != nil {
			t.Error(err)
		}
		if s.set.Shared() || s.set.addr != "127.0.0.1:9001" {
			t.Errorf("it is on this machine's network, at %s", s.set.addr)
		}
	}
}

func TestTheSecondOnOnePortIsToldWhatToDo(t *testing.T) {
	ready(t, "settler")
	s := newStage(t)
	set, err := Start(s.ctx(), s.config(actors.Folder(t, "settler")))
	if err == nil {
		s.set = set
		t.Cleanup(func() { s.shutdown(0) })
		err = set.FinishInit(s.ctx())
	}
	if err == nil || !strings.Contains(err.Error(), "--extension-isolation") {
		t.Errorf("error %v, want one that says what to do", err)
	}
}

// subscribeTo subscribes the first extension of a stage.
func subscribeTo(t *testing.T, s *stage, port int) error {
	t.Helper()
	s.set.mu.Lock()
	id := s.set.all[0].id
	s.set.mu.Unlock()
	_, err := registry{s.set}.Subscribe(id, subscription(port))
	return err
}

func subscription(port int) extapi.Subscription {
	return extapi.Subscription{
		Schema:      telemetry.Schema20221213,
		Types:       []telemetry.Category{telemetry.CategoryPlatform},
		Buffering:   extapi.Buffering{MaxItems: 1000, MaxBytes: 262144, Timeout: 25 * time.Millisecond},
		Destination: extapi.Destination{Protocol: extapi.ProtocolTCP, Port: port},
	}
}
