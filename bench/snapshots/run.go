package snapshots

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"time"

	"github.com/lambent-host/lambent/bench/guests"
	"github.com/lambent-host/lambent/bench/measure"
	"github.com/lambent-host/lambent/sandbox"
)

// Run builds the handlers and measures each. progress, which may be nil, is told
// what goes on. Errors: a configuration with faults, no checkout or compiler, a
// handler that answers something else than it should, a run that Config.Limit or
// ctx ended.
func Run(ctx context.Context, cfg Config, progress func(string)) (_ Report, err error) {
	if err := cfg.Validate(); err != nil {
		return Report{}, fmt.Errorf("snapshots configuration: %w", err)
	}
	if progress == nil {
		progress = func(string) {}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, cfg.Limit, fmt.Errorf("the bench took longer than %v", cfg.Limit))
	defer cancel()
	root, err := measure.Checkout(ctx)
	if err != nil {
		return Report{}, err
	}
	engine, err := sandbox.New(ctx, sandbox.Config{CacheDir: cfg.CacheDir})
	if err != nil {
		return Report{}, err
	}
	defer func() { err = errors.Join(err, engine.Close(context.WithoutCancel(ctx))) }()
	report := Report{Head: measure.NewHead(), Config: cfg}
	for _, language := range cfg.Languages {
		progress("building the handler in " + language)
		wasm, err := guests.Build(ctx, root, language)
		if err != nil {
			return Report{}, err
		}
		progress("compiling the handler in " + language)
		m, err := engine.Compile(ctx, wasm, sandbox.Limits{MemoryBytes: uint64(cfg.MemoryMB) << 20})
		if err != nil {
			return Report{}, err
		}
		progress("measuring the handler in " + language)
		handler, err := measureHandler(ctx, cfg, m, language)
		if err != nil {
			return Report{}, errors.Join(fmt.Errorf("%s: %w", language, err), context.Cause(ctx))
		}
		report.Handlers = append(report.Handlers, handler)
	}
	report.Finish()
	return report, nil
}

// subject is a module and its snapshot.
type subject struct {
	module   *sandbox.Module
	snapshot *sandbox.Snapshot
	warmUp   int // invocations that the snapshot has behind it
}

func measureHandler(ctx context.Context, cfg Config, m *sandbox.Module, language string) (_ Handler, err error) {
	h := Handler{Language: language}
	s := subject{module: m, warmUp: cfg.WarmUp}
	if err := s.capture(ctx, &h); err != nil {
		return h, err
	}
	defer func() { err = errors.Join(err, s.snapshot.Close()) }()
	if err := s.seats(ctx, cfg.Seats, &h); err != nil {
		return h, err
	}
	if err := s.burst(ctx, cfg, &h); err != nil {
		return h, err
	}
	if err := s.turns(ctx, cfg, &h); err != nil {
		return h, err
	}
	return h, nil
}

func (s *subject) capture(ctx context.Context, h *Handler) (err error) {
	i, err := s.module.Instantiate(ctx, sandbox.InstanceConfig{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, i.Close(ctx)) }()
	if err := i.Init(ctx); err != nil {
		return err
	}
	for n := range s.warmUp {
		if err := call(ctx, i, n+1); err != nil {
			return err
		}
	}
	began := time.Now()
	s.snapshot, err = i.Snapshot(ctx)
	if err != nil {
		return err
	}
	h.CaptureMs, h.SnapshotBytes = measure.Milliseconds(time.Since(began)), s.snapshot.Size()
	return nil
}

// seats makes seats, of which the first, with what the module has for all of them,
// is not counted.
func (s *subject) seats(ctx context.Context, n int, h *Handler) error {
	if err := s.module.Prepare(ctx, n); err != nil { // the machine gets used to it
		return err
	}
	heap := heapBytes()
	began := time.Now()
	if err := s.module.Prepare(ctx, min(2*n, sandbox.MaxPrepared)); err != nil {
		return err
	}
	if made := min(2*n, sandbox.MaxPrepared) - n; made > 0 {
		h.Seat = &Seat{RefillUs: us(time.Since(began)) / float64(made), HeapBytes: max(0, heapBytes()-heap) / int64(made)}
	}
	return nil
}

func heapBytes() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

func us(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// entry notes when a handler is entered.
type entry struct{ at time.Time }

// Write is the handler's standard output.
func (e *entry) Write(p []byte) (int, error) {
	e.at = time.Now()
	return len(p), nil
}

// call invokes and holds that the handler answers how often it was called.
func call(ctx context.Context, i *sandbox.Instance, count int) error {
	res, err := i.Invoke(ctx, sandbox.Invocation{Event: []byte("false")})
	switch {
	case err != nil:
		return err
	case res.Error != nil:
		return fmt.Errorf("the handler failed: %s", res.Error.Document)
	case string(res.Payload) != strconv.Itoa(count):
		return fmt.Errorf("the handler answers %s, and not %d", res.Payload, count)
	}
	return nil
}

// turns measures the kinds one after the other, round by round.
func (s *subject) turns(ctx context.Context, cfg Config, h *Handler) error {
	initialised, restored := &timing{Kind: KindInit}, &timing{Kind: KindRestore}
	warm, isolated, reset := &timing{Kind: KindWarm}, &timing{Kind: KindIsolated}, &timing{Kind: KindReset}
	for range cfg.Rounds {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.initialise(ctx, initialised); err != nil {
			return fmt.Errorf("init: %w", err)
		}
		if err := s.module.Prepare(ctx, 1); err != nil {
			return err
		}
		if err := s.restore(ctx, restored, warm, isolated, reset); err != nil {
			return fmt.Errorf("restore: %w", err)
		}
	}
	for _, t := range []*timing{initialised, restored, warm, isolated, reset} {
		h.Rows = append(h.Rows, t.row())
	}
	h.fillRatios()
	return nil
}

func (s *subject) initialise(ctx context.Context, t *timing) (err error) {
	var e entry
	began := time.Now()
	i, err := s.module.Instantiate(ctx, sandbox.InstanceConfig{Stdout: &e})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, i.Close(ctx)) }()
	if err := i.Init(ctx); err != nil {
		return err
	}
	t.prepared(time.Since(began))
	if err := call(ctx, i, 1); err != nil {
		return err
	}
	t.note(began, e.at)
	return nil
}

// restore measures what one restored instance does: its first invocation, its
// second, and one after a reset.
func (s *subject) restore(ctx context.Context, restored, warm, isolated, reset *timing) (err error) {
	var e entry
	began := time.Now()
	i, err := s.module.Restore(ctx, s.snapshot, sandbox.InstanceConfig{Stdout: &e})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, i.Close(ctx)) }()
	restored.prepared(time.Since(began))
	if err := call(ctx, i, s.warmUp+1); err != nil {
		return err
	}
	restored.note(began, e.at)
	for n := range 2 { // the first of these still runs code for the first time
		began = time.Now()
		if err := call(ctx, i, s.warmUp+n+2); err != nil {
			return err
		}
	}
	warm.note(began, e.at)
	for range 2 { // what the first changed the second has to undo, as in a row of requests
		began = time.Now()
		if err := i.Reset(ctx); err != nil {
			return err
		}
		took := time.Since(began)
		if err := call(ctx, i, s.warmUp+1); err != nil {
			return err
		}
		reset.noteDone(took)
	}
	isolated.note(began, e.at)
	return nil
}
