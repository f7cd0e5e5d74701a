package publishing

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/lambent-host/lambent/bench/measure"
	"github.com/lambent-host/lambent/sandbox"
	"github.com/lambent-host/lambent/sandbox/publish"
)

// memoryBytes is what the modules may have; Ruby starts with more than 128 MB.
const memoryBytes = 1 << 30

// Run compiles each module in child processes and loads what they leave. progress,
// which may be nil, is told what goes on. Errors: a configuration with faults, no
// checkout or compiler, an interpreter that cannot be fetched, a module that is
// refused, a run that Config.Limit or ctx ended. The program must have called
// publish.ExitIfChild.
func Run(ctx context.Context, cfg Config, progress func(string)) (Report, error) {
	if err := cfg.Validate(); err != nil {
		return Report{}, fmt.Errorf("publishing configuration: %w", err)
	}
	if progress == nil {
		progress = func(string) {}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, cfg.Limit, fmt.Errorf("the bench took longer than %v", cfg.Limit))
	defer cancel()
	report := Report{Head: measure.NewHead(), Config: cfg}
	for _, name := range cfg.Modules {
		progress("building or fetching " + name)
		wasm, err := load(ctx, name)
		if err != nil {
			return Report{}, errors.Join(err, context.Cause(ctx))
		}
		row, err := measureModule(ctx, cfg, name, wasm, progress)
		if err != nil {
			return Report{}, errors.Join(fmt.Errorf("%s: %w", name, err), context.Cause(ctx))
		}
		report.Rows = append(report.Rows, row)
	}
	if cfg.Neighbour != "" {
		n, err := measureNeighbour(ctx, cfg, progress)
		if err != nil {
			return Report{}, errors.Join(err, context.Cause(ctx))
		}
		report.Neighbour = &n
	}
	report.Finish()
	return report, nil
}

// round is one publication and one load.
type round struct {
	prepared sandbox.Prepared
	usage    publish.Usage
	load     time.Duration
}

func measureModule(ctx context.Context, cfg Config, name string, wasm []byte, progress func(string)) (Row, error) {
	var rounds []round
	for n := range cfg.Rounds {
		progress(fmt.Sprintf("compiling %s, %d of %d", name, n+1, cfg.Rounds))
		r, err := measureRound(ctx, wasm)
		if err != nil {
			return Row{}, err
		}
		rounds = append(rounds, r)
	}
	return rowOf(name, len(wasm), rounds), nil
}

func measureRound(ctx context.Context, wasm []byte) (r round, err error) {
	dir, err := os.MkdirTemp("", "lambent-bench-")
	if err != nil {
		return round{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	children, err := publish.New(publish.Config{Ended: func(u publish.Usage) { r.usage = u }})
	if err != nil {
		return round{}, err
	}
	engine, err := sandbox.New(ctx, sandbox.Config{CacheDir: dir, CacheKey: []byte("bench"), Prepare: func(ctx context.Context, wasm []byte, dir string) (sandbox.Prepared, error) {
		r.prepared, err = children.Prepare(ctx, wasm, dir)
		return r.prepared, err
	}})
	if err != nil {
		return round{}, err
	}
	defer func() { err = errors.Join(err, engine.Close(ctx)) }()
	limits := sandbox.Limits{MemoryBytes: memoryBytes}
	m, err := engine.Publish(ctx, wasm, limits)
	if err != nil {
		return round{}, err
	}
	if err := m.Close(ctx); err != nil {
		return round{}, err
	}
	began := time.Now()
	if _, err := engine.Cached(ctx, wasm, limits); err != nil {
		return round{}, err
	}
	r.load = time.Since(began)
	return r, nil
}
