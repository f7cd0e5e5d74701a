// Package deadline measures how long after its deadline a guest is ended, for each
// of the ways in which one can fail to come back: loops, recursions, bulk
// instructions on a gigabyte, sleeps, host calls, an init without an end, waiting
// for a CPU quota.
//
// Nothing else runs meanwhile: what a busy machine adds is another scenario's
// matter. Each sample is an instance of its own, which is discarded afterwards.
//
// Read next: package sandbox, call.go.
package deadline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lambent-host/lambent/bench/guests"
	"github.com/lambent-host/lambent/bench/measure"
	"github.com/lambent-host/lambent/sandbox"
)

// A way not to come back. The number of an event's bytes is its place in the list,
// from one.
type way struct {
	name string
	init bool // in init, not in an invocation
	slow bool // with a CPU quota of a hundredth
}

var ways = []way{
	{name: "empty loop"}, {name: "recursion"}, {name: "indirect recursion"}, {name: "memory.fill of 1 GiB"},
	{name: "sleep"}, {name: "host calls"}, {name: "random bytes"}, {name: "init", init: true}, {name: "CPU quota", slow: true},
}

// Config says what is measured.
type Config struct {
	// Samples is how often each way is tried.
	Samples int `json:"samples"`
	// Deadline is how long a guest has.
	Deadline time.Duration `json:"deadline"`
	// Limit bounds the whole run, building and compiling included.
	Limit time.Duration `json:"limit"`
}

// DefaultConfig takes two minutes.
func DefaultConfig() Config {
	return Config{Samples: 100, Deadline: 100 * time.Millisecond, Limit: 10 * time.Minute}
}

// Validate lists every fault at once, each naming its field.
func (c Config) Validate() error {
	var faults []error
	if c.Samples < 1 || c.Samples > 10_000 {
		faults = append(faults, fmt.Errorf("field Samples: %d is not between 1 and 10000", c.Samples))
	}
	if c.Deadline < time.Millisecond || c.Deadline > time.Minute {
		faults = append(faults, fmt.Errorf("field Deadline: %v is not between 1ms and 1m", c.Deadline))
	}
	if c.Limit <= 0 {
		faults = append(faults, fmt.Errorf("field Limit: %v is not positive", c.Limit))
	}
	return errors.Join(faults...)
}

// memoryBytes leaves room for the gigabyte.
const memoryBytes = 1100 << 20

// Run builds the guest and measures each way. progress, which may be nil, is told
// what goes on.
func Run(ctx context.Context, cfg Config, progress func(string)) (_ *Report, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("deadline configuration: %w", err)
	}
	if progress == nil {
		progress = func(string) {}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, cfg.Limit, fmt.Errorf("the bench took longer than %v", cfg.Limit))
	defer cancel()
	root, err := measure.Checkout(ctx)
	if err != nil {
		return nil, err
	}
	wasm, err := guests.Build(ctx, root, guests.Stubborn)
	if err != nil {
		return nil, err
	}
	engine, err := sandbox.New(ctx, sandbox.Config{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, engine.Close(context.WithoutCancel(ctx))) }()
	module, err := engine.Compile(ctx, wasm, sandbox.Limits{MemoryBytes: memoryBytes})
	if err != nil {
		return nil, err
	}
	report := &Report{Head: measure.NewHead(), Config: cfg}
	for n, w := range ways {
		progress(w.name)
		row := Row{Way: w.name}
		for range cfg.Samples {
			late, err := sample(ctx, module, w, n+1, cfg.Deadline)
			if err != nil {
				return nil, errors.Join(fmt.Errorf("%s: %w", w.name, err), context.Cause(ctx))
			}
			row.late = append(row.late, late)
		}
		row.summarize()
		report.Rows = append(report.Rows, row)
	}
	report.Finish()
	return report, nil
}

// sample has one guest not come back, and returns how long after its deadline it
// was ended.
func sample(ctx context.Context, module *sandbox.Module, w way, event int, d time.Duration) (late time.Duration, err error) {
	cfg := sandbox.InstanceConfig{}
	if w.init {
		cfg.Env = []string{"STUBBORN_INIT=1"}
	}
	if w.slow {
		cfg.CPUShare, cfg.CPUQuota, event = 0.01, true, 1
	}
	i, err := module.Instantiate(ctx, cfg)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, i.Close(context.WithoutCancel(ctx))) }()
	if !w.init {
		if err := i.Init(ctx); err != nil {
			return 0, err
		}
	}
	deadline := time.Now().Add(d)
	bounded, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	if w.init {
		err = i.Init(bounded)
	} else {
		_, err = i.Invoke(bounded, sandbox.Invocation{Event: slices.Repeat([]byte("."), event)})
	}
	late = time.Since(deadline)
	if !errors.Is(err, context.DeadlineExceeded) {
		return 0, fmt.Errorf("the guest came back: %w", err)
	}
	return late, ctx.Err()
}
