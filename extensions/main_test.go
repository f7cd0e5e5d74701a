package extensions

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/extensions/internal/actors"
	"github.com/lambent-host/lambent/extensions/place"
	"github.com/lambent-host/lambent/extensions/sdk"
	"github.com/lambent-host/lambent/telemetry"
)

func TestMain(m *testing.M) {
	place.ExitIfChild()
	actors.Play()
	goleak.VerifyTestMain(m)
}

// limit bounds every wait of a test.
const limit = 20 * time.Second

// stage is a set with what a test needs around it.
type stage struct {
	t      *testing.T
	set    *Set
	stream *telemetry.Stream
	events *telemetry.Subscription

	mu         sync.Mutex
	activities []Activity
}

func (s *stage) observe(a Activity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.activities = append(s.activities, a)
}

// when is when something happened first, or zero.
func (s *stage) when(what string) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.activities {
		if a.What == what {
			return a.At
		}
	}
	return time.Time{}
}

// newStage opens a stream; start runs actors on it.
func newStage(t *testing.T) *stage {
	t.Helper()
	bus := telemetry.NewBus()
	t.Cleanup(bus.Close)
	stream := bus.Open(telemetry.Source{EnvironmentID: "e1"})
	return &stage{t: t, stream: stream, events: stream.Subscribe(telemetry.SubscriptionConfig{MaxItems: 1 << 20, MaxBytes: 1 << 30})}
}

func (s *stage) config(dir string) Config {
	return Config{
		Dir:      dir,
		Function: Function{Name: "f", Version: "$LATEST", Handler: "h", AccountID: "000000000000"},
		Env:      []string{actors.Env, "PATH=/usr/bin:/bin"},
		Stream:   s.stream,
		Log:      zerolog.Nop(),
		Observe:  s.observe,
	}
}

// ready starts the actors and finishes the init phase.
func ready(t *testing.T, names ...string) *stage {
	t.Helper()
	s := started(t, names...)
	if err := s.set.FinishInit(s.ctx()); err != nil {
		t.Fatal(err)
	}
	return s
}

func started(t *testing.T, names ...string) *stage {
	t.Helper()
	s := newStage(t)
	s.start(names...)
	return s
}

func (s *stage) start(names ...string) {
	s.t.Helper()
	set, err := Start(s.ctx(), s.config(actors.Folder(s.t, names...)))
	if err != nil {
		s.t.Fatal(err)
	}
	s.set = set
	s.t.Cleanup(func() { s.shutdown(0) })
}

func (s *stage) shutdown(budget time.Duration) {
	s.t.Helper()
	if err := s.set.Shutdown(context.Background(), extapi.ReasonSpindown, budget); err != nil {
		s.t.Errorf("shutdown: %v", err)
	}
}

func (s *stage) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	s.t.Cleanup(cancel)
	return ctx
}

// internal registers an extension that lives in the test.
func (s *stage) internal(name string, events ...extapi.EventType) *sdk.Client {
	s.t.Helper()
	c, _, err := sdk.Register(s.ctx(), s.set.addr, name, events...)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(c.Close)
	return c
}

// until reads events until one satisfies the condition.
func (s *stage) until(what string, found func(telemetry.Event) bool) telemetry.Event {
	s.t.Helper()
	for {
		ev, err := s.events.Next(s.ctx())
		if err != nil {
			s.t.Fatalf("%s: %v", what, err)
		}
		if found(ev) {
			return ev
		}
	}
}
