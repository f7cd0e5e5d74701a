package density

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/lambent-host/lambent/bench/guests"
	"github.com/lambent-host/lambent/bench/measure"
	"github.com/lambent-host/lambent/sandbox"
)

// Run builds the handler, takes a snapshot of it, and restores environments.
// progress, which may be nil, is told what goes on. Errors: a configuration with
// faults, a system that does not tell how much memory is used, no checkout or
// compiler, an environment that answers something else than it should, a run that
// Config.Limit or ctx ended.
func Run(ctx context.Context, cfg Config, progress func(string)) (_ Report, err error) {
	if err := cfg.Validate(); err != nil {
		return Report{}, fmt.Errorf("density configuration: %w", err)
	}
	if progress == nil {
		progress = func(string) {}
	}
	if _, err := look(); err != nil {
		return Report{}, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, cfg.Limit, fmt.Errorf("the bench took longer than %v", cfg.Limit))
	defer cancel()
	root, err := measure.Checkout(ctx)
	if err != nil {
		return Report{}, err
	}
	progress("building the handler in " + cfg.Language)
	wasm, err := guests.Build(ctx, root, cfg.Language)
	if err != nil {
		return Report{}, err
	}
	engine, err := sandbox.New(ctx, sandbox.Config{CacheDir: cfg.CacheDir})
	if err != nil {
		return Report{}, err
	}
	defer func() { err = errors.Join(err, engine.Close(context.WithoutCancel(ctx))) }()
	progress("compiling the handler in " + cfg.Language)
	m, err := engine.Compile(ctx, wasm, sandbox.Limits{MemoryBytes: uint64(cfg.MemoryMB) << 20})
	if err != nil {
		return Report{}, err
	}
	s, err := capture(ctx, m)
	if err != nil {
		return Report{}, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	report := Report{Head: measure.NewHead(), Config: cfg, SnapshotBytes: s.Size()}
	for _, n := range cfg.Environments {
		progress(fmt.Sprintf("%d environments", n))
		row, err := measureMany(ctx, m, s, n)
		if err != nil {
			return Report{}, errors.Join(err, context.Cause(ctx))
		}
		report.Rows = append(report.Rows, row)
	}
	report.Finish()
	return report, nil
}

func capture(ctx context.Context, m *sandbox.Module) (_ *sandbox.Snapshot, err error) {
	i, err := m.Instantiate(ctx, sandbox.InstanceConfig{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, i.Close(ctx)) }()
	if err := i.Init(ctx); err != nil {
		return nil, err
	}
	return i.Snapshot(ctx)
}

func measureMany(ctx context.Context, m *sandbox.Module, s *sandbox.Snapshot, n int) (row Row, err error) {
	row.Environments = n
	// One that runs first makes what all share.
	if err := once(ctx, m, s); err != nil {
		return row, err
	}
	all := make([]*sandbox.Instance, 0, n)
	defer func() {
		for _, i := range all {
			err = errors.Join(err, i.Close(context.WithoutCancel(ctx)))
		}
		if err == nil {
			all = nil
			row.Closed, err = since(row.base)
		}
	}()
	if row.base, err = look(); err != nil {
		return row, err
	}
	began := time.Now()
	for range n {
		i, err := m.Restore(ctx, s, sandbox.InstanceConfig{})
		if err != nil {
			return row, fmt.Errorf("restoring environment %d: %w", len(all), err)
		}
		all = append(all, i)
	}
	row.RestoreUs = perEnvironment(began, n)
	if row.Restored, err = since(row.base); err != nil {
		return row, err
	}
	for round, to := range []*Memory{&row.Answered, &row.Again} {
		began = time.Now()
		for at, i := range all {
			if err := call(ctx, i, round+1); err != nil {
				return row, fmt.Errorf("environment %d: %w", at, err)
			}
		}
		row.AnswerUs = perEnvironment(began, n)
		if *to, err = since(row.base); err != nil {
			return row, err
		}
	}
	return row, nil
}

func perEnvironment(began time.Time, n int) float64 {
	return float64(time.Since(began)) / float64(time.Microsecond) / float64(n)
}

func once(ctx context.Context, m *sandbox.Module, s *sandbox.Snapshot) (err error) {
	i, err := m.Restore(ctx, s, sandbox.InstanceConfig{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, i.Close(ctx)) }()
	return call(ctx, i, 1)
}

// call invokes and holds that the handler has gone on from where it was.
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
