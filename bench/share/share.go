// Package share measures whether guests get the share of the CPUs that their
// memory size stands for: MemorySize/1769 of one CPU, one guest alone and several
// together.
//
// A guest spins for a while; its share is the CPU time it was charged, by the
// clock of its thread, divided by the time that passed. What is expected is its
// share by memory, and where all together want more than there is, an equal part
// of what all of them got.
//
// Read next: package sandbox/cpu, which is what is measured.
package share

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/lambent-host/lambent/abi/gobuild"
	"github.com/lambent-host/lambent/bench/measure"
	"github.com/lambent-host/lambent/sandbox"
)

// memoryPerCPU is the MemorySize, in MB, that one CPU belongs to.
const memoryPerCPU = 1769

// Config says what is measured.
type Config struct {
	// MemoryMB are the memory sizes.
	MemoryMB []int `json:"memoryMB"`
	// Guests is how many spin at once: each number is a run of its own.
	Guests []int `json:"guests"`
	// Duration is how long each run takes.
	Duration time.Duration `json:"duration"`
	// Limit bounds the whole run, building and compiling included.
	Limit time.Duration `json:"limit"`
}

// DefaultConfig takes two minutes.
func DefaultConfig() Config {
	return Config{MemoryMB: []int{128, 256, 512, 1024, 1769}, Guests: []int{1, 8}, Duration: 10 * time.Second, Limit: 10 * time.Minute}
}

// Validate lists every fault at once, each naming its field.
func (c Config) Validate() error {
	var faults []error
	for _, mb := range c.MemoryMB {
		if mb < 128 || mb > 10240 {
			faults = append(faults, fmt.Errorf("field MemoryMB: %d is not between 128 and 10240", mb))
		}
	}
	for _, n := range c.Guests {
		if n < 1 || n > 100 {
			faults = append(faults, fmt.Errorf("field Guests: %d is not between 1 and 100", n))
		}
	}
	if len(c.MemoryMB) == 0 || len(c.Guests) == 0 {
		faults = append(faults, errors.New("fields MemoryMB, Guests: there must be one at least"))
	}
	if c.Duration < 100*time.Millisecond || c.Duration > 10*time.Minute {
		faults = append(faults, fmt.Errorf("field Duration: %v is not between 100ms and 10m", c.Duration))
	}
	if c.Limit <= 0 {
		faults = append(faults, fmt.Errorf("field Limit: %v is not positive", c.Limit))
	}
	return errors.Join(faults...)
}

// Run builds a guest that spins and measures each memory size with each number of
// guests. progress, which may be nil, is told what goes on.
func Run(ctx context.Context, cfg Config, progress func(string)) (_ *Report, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("share configuration: %w", err)
	}
	if progress == nil {
		progress = func(string) {}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, cfg.Limit, fmt.Errorf("the bench took longer than %v", cfg.Limit))
	defer cancel()
	report := &Report{Head: measure.NewHead(), Config: cfg}
	wasm, err := spinner(ctx, progress)
	if err != nil {
		return nil, errors.Join(err, context.Cause(ctx))
	}
	engine, err := sandbox.New(ctx, sandbox.Config{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, engine.Close(context.WithoutCancel(ctx))) }()
	module, err := engine.Compile(ctx, wasm, sandbox.Limits{MemoryBytes: 128 << 20})
	if err != nil {
		return nil, err
	}
	for _, guests := range cfg.Guests {
		for _, mb := range cfg.MemoryMB {
			progress(fmt.Sprintf("%d at once, %d MB", guests, mb))
			shares, err := spin(ctx, module, float64(mb)/memoryPerCPU, guests, cfg.Duration)
			if err != nil {
				return nil, errors.Join(err, context.Cause(ctx))
			}
			report.Rows = append(report.Rows, rowOf(mb, shares))
		}
	}
	report.Finish()
	return report, nil
}

// spinner builds functions/spin.
func spinner(ctx context.Context, progress func(string)) (_ []byte, err error) {
	root, err := measure.Checkout(ctx)
	if err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp("", "lambent-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	progress("building and compiling functions/spin")
	out := filepath.Join(work, "spin.wasm")
	if _, err := gobuild.Build(ctx, gobuild.Options{Dir: filepath.Join(root, "functions", "spin"), Out: out}); err != nil {
		return nil, fmt.Errorf("build the guest: %w", err)
	}
	return os.ReadFile(out)
}

// spin runs guests of one share for a while and returns what each got, in CPUs.
func spin(ctx context.Context, module *sandbox.Module, share float64, guests int, d time.Duration) (shares []float64, err error) {
	instances := make([]*sandbox.Instance, guests)
	defer func() {
		for _, i := range instances {
			if i != nil {
				err = errors.Join(err, i.Close(context.WithoutCancel(ctx)))
			}
		}
	}()
	for n := range instances {
		if instances[n], err = module.Instantiate(ctx, sandbox.InstanceConfig{CPUShare: share, CPUQuota: true}); err != nil {
			return nil, err
		}
		if err = instances[n].Init(ctx); err != nil {
			return nil, err
		}
	}
	shares = make([]float64, guests)
	failed := make([]error, guests)
	var all sync.WaitGroup
	for n, i := range instances {
		all.Go(func() {
			before, began := i.CPUTime(), time.Now()
			ctx, cancel := context.WithTimeout(ctx, d)
			defer cancel()
			_, failed[n] = i.Invoke(ctx, sandbox.Invocation{Event: []byte("{}")})
			shares[n] = (i.CPUTime() - before).Seconds() / time.Since(began).Seconds()
		})
	}
	all.Wait()
	for _, err := range failed {
		if !errors.Is(err, context.DeadlineExceeded) {
			return nil, fmt.Errorf("the guest was to spin until its deadline: %w", err)
		}
	}
	return shares, ctx.Err()
}
