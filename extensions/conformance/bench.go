package conformance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/extensions/internal/life"
	"github.com/lambent-host/lambent/telemetry"
)

// Bench is where the extensions are tried: what is known of them, and the making
// of environments. One scenario uses it at a time.
type Bench struct {
	cfg      Config
	dir, opt string
	names    []string
	bus      *telemetry.Bus
	where    where
	sink     *sink
	known    *traits
	failed   bool     // a scenario has
	output   []string // what the last environment's extensions wrote
}

func newBench(cfg Config) (b *Bench, cleanup func(), err error) {
	dir, opt, remove, err := cfg.folder()
	if err != nil {
		return nil, nil, err
	}
	names, err := discover(dir, opt)
	if err != nil {
		remove()
		return nil, nil, err
	}
	sink, err := newSink()
	if err != nil {
		remove()
		return nil, nil, err
	}
	b = &Bench{cfg: cfg, dir: dir, opt: opt, names: names, bus: telemetry.NewBus(), sink: sink}
	return b, func() {
		sink.close()
		b.bus.Close()
		remove()
	}, nil
}

// run tries one scenario.
func (b *Bench) run(ctx context.Context, s Scenario) Result {
	began := time.Now()
	r := Result{Scenario: s}
	if reason := b.lacks(ctx, s.needs); reason != "" {
		r.Verdict = skip("%s", reason)
		// Somebody has to say that it does not work at all.
		if b.known != nil && b.known.broken != "" && !b.failed {
			r.Outcome = Fail
		}
	} else {
		limited, cancel := context.WithTimeout(ctx, b.cfg.Timeout)
		b.output = nil
		r.Verdict = s.run(limited, b)
		if r.Outcome == Fail && errors.Is(limited.Err(), context.DeadlineExceeded) {
			r.Seen += fmt.Sprintf(" (the scenario's own time of %s was over)", b.cfg.Timeout)
		}
		cancel()
	}
	r.Took = time.Since(began)
	if r.Outcome == Fail {
		b.failed = true
		r.Output = b.output
	}
	return r
}

// lacks returns why the scenario has nothing to try, or "".
func (b *Bench) lacks(ctx context.Context, needs []need) string {
	for _, need := range needs {
		if reason := need(b.traits(ctx)); reason != "" {
			return reason
		}
	}
	return ""
}

// options are what a scenario changes about an environment.
type options struct {
	sink          mood
	where         *where                          // nil is the run's
	faults        func(http.Handler) http.Handler // put before the API
	lose          *atomic.Bool                    // answers to telemetry; see [watched]
	invokeTimeout time.Duration
}

// subject is one environment with the extensions under test and all that was
// seen of them. One goroutine leads it.
type subject struct {
	*life.Environment
	*record
	b         *Bench
	sink      *sink
	mark      string // a variable of every process
	output    *output
	overheads []time.Duration
	endings   []ending
}

// markName is the variable that processes are found by.
const markName = "LAMBENT_CONFORMANCE"

// open makes an environment; nothing runs yet. Whoever opens ends.
func (b *Bench) open(o options) (*subject, error) {
	if err := b.sink.set(o.sink); err != nil {
		return nil, err
	}
	b.sink.forget()
	s := &subject{record: newRecord(), b: b, sink: b.sink, mark: markName + "=" + uuid.NewString()}
	at := b.where
	if o.where != nil {
		at = *o.where
	}
	timeout := b.cfg.InvokeTimeout
	if o.invokeTimeout != 0 {
		timeout = o.invokeTimeout
	}
	s.Environment = life.New(b.bus, life.Config{
		ID: uuid.NewString(), Dir: b.dir, Opt: b.opt, Place: watched{at.place, s.record, o.lose}, Function: "conformance",
		Env:         append(b.sink.variables(at.sinkHost, b.cfg.Target), s.mark),
		InitTimeout: b.cfg.InitTimeout, InvokeTimeout: timeout, ShutdownBudget: b.cfg.ShutdownBudget,
		Observe: s.observe, ObserveDelivery: s.observeDelivery, Settled: s.settled,
		Tap: func(api http.Handler) http.Handler {
			if o.faults != nil {
				api = o.faults(api)
			}
			return s.tap(api)
		},
	})
	s.output = readOutput(s.Stream)
	return s, nil
}

// live opens an environment, has it initialised, and ends it after the scenario.
func (b *Bench) live(ctx context.Context, o options, scenario func(s *subject) Verdict) Verdict {
	return b.opened(o, func(s *subject) Verdict {
		if err := s.init(ctx); err != nil {
			return fail("the init phase failed: %v", err)
		}
		return scenario(s)
	})
}

// opened opens an environment and ends it after the scenario.
func (b *Bench) opened(o options, scenario func(s *subject) Verdict) Verdict {
	s, err := b.open(o)
	if err != nil {
		return fail("the kit itself could not: %v", err)
	}
	defer s.end()
	return scenario(s)
}

// init leads the environment through its init phase.
func (s *subject) init(ctx context.Context) error {
	if err := s.Start(ctx); err != nil {
		return err
	}
	return s.FinishInit(ctx)
}

// invoke leads invocations until one fails, and says which.
func (s *subject) invoke(ctx context.Context, n int, in life.Invocation) error {
	for range n {
		phase, err := s.Invoke(ctx, in)
		if err != nil {
			return fmt.Errorf("invocation %d: %w", len(s.overheads)+1, err)
		}
		s.overheads = append(s.overheads, phase.Overhead)
	}
	return nil
}

// end leaves nothing behind, whatever became of the scenario.
func (s *subject) end() {
	_ = s.Close() // it kills what runs
	for _, p := range processes(s.mark) {
		p.kill()
	}
	if lines := s.output.end(); len(lines) > 0 {
		s.b.output = lines
	}
}

// ending is what became of one extension at the end of its environment.
type ending struct {
	name   string
	asked  bool          // it registered for SHUTDOWN
	reason string        // of the SHUTDOWN it got; "" if it got none
	took   time.Duration // from SHUTDOWN to its end
	killed bool
	status string
}

// shutdown ends the environment as the host does, and tells how the extensions took it.
func (s *subject) shutdown(ctx context.Context, reason string) error {
	if err := s.Shutdown(ctx, reason); err != nil {
		return err
	}
	for _, name := range s.b.names {
		e := ending{name: name}
		if a, ok := s.when(name, "registered"); ok {
			e.asked = strings.Contains(a.Detail, string(extapi.Shutdown))
		}
		_, e.killed = s.when(name, "killed")
		exited, _ := s.when(name, "exited")
		e.status = exited.Detail
		if a, ok := s.when(name, string(extapi.Shutdown)); ok {
			e.reason, e.took = a.Detail, exited.At.Sub(a.At)
		}
		s.endings = append(s.endings, e)
	}
	return nil
}
