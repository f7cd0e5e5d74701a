package metering

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/lambent-host/lambent/bench/kernels"
	"github.com/lambent-host/lambent/bench/measure"
)

// Run builds the kernels and runs each in wazero plain, metered, and with
// WithCloseOnContextDone, and in the engines that are passed. progress, which may
// be nil, is told what goes on. Errors: a configuration with faults, no checkout
// or compiler, an engine that cannot load a module or computes something else
// than the first, a run that Config.Limit or ctx ended.
func Run(ctx context.Context, cfg Config, progress func(string), more ...Engine) (Report, error) {
	if err := cfg.Validate(); err != nil {
		return Report{}, fmt.Errorf("metering configuration: %w", err)
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
	report := Report{Head: measure.NewHead(), Config: cfg}
	engines := append([]Engine{Plain(), Metered(), ContextDone()}, more...)
	for _, language := range []string{"c", "go"} {
		list := slices.DeleteFunc(cfg.kernels(), func(k kernels.Kernel) bool { return k.Language != language })
		if len(list) == 0 {
			continue
		}
		progress("building the kernels in " + language)
		wasm, err := kernels.Build(ctx, root, language)
		if err != nil {
			return Report{}, err
		}
		compiled, err := measureCompiling(ctx, language, wasm, min(cfg.Rounds, 7))
		if err != nil {
			return Report{}, err
		}
		report.Modules = append(report.Modules, compiled)
		if err := runKernels(ctx, cfg, list, engines, wasm, progress, &report); err != nil {
			return Report{}, errors.Join(err, context.Cause(ctx))
		}
	}
	report.summarize(engines)
	report.Finish()
	return report, nil
}

func runKernels(ctx context.Context, cfg Config, list []kernels.Kernel, engines []Engine, wasm []byte, progress func(string), report *Report) (err error) {
	instances := make([]Instance, 0, len(engines))
	defer func() {
		for _, i := range instances {
			err = errors.Join(err, i.Close())
		}
	}()
	for _, e := range engines {
		progress("compiling for " + e.Name())
		i, err := e.Load(ctx, wasm)
		if err != nil {
			return fmt.Errorf("%s: %w", e.Name(), err)
		}
		instances = append(instances, i)
	}
	for _, k := range list {
		progress(k.Language + " " + k.Name)
		times, err := playRounds(ctx, cfg, k, engines, instances)
		if err != nil {
			return fmt.Errorf("%s %s: %w", k.Language, k.Name, err)
		}
		report.add(k, engines, times)
		report.Rows[len(report.Rows)-1].QuantumUs = quantumOf(instances, times)
	}
	return nil
}

// playRounds runs a kernel once in each engine to warm up, then in rounds, forwards
// and backwards in turn.
func playRounds(ctx context.Context, cfg Config, k kernels.Kernel, engines []Engine, instances []Instance) ([][]time.Duration, error) {
	turns := max(uint64(float64(k.Turns)*cfg.Scale), 1)
	times := make([][]time.Duration, len(engines))
	var want uint64
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for round := -1; round < cfg.Rounds; round++ {
		for n := range engines {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			i := n
			if round%2 == 1 {
				i = len(engines) - 1 - n
			}
			if round == 0 {
				if v, ok := instances[i].(visited); ok {
					v.forget()
				}
			}
			before := threadTime()
			got, err := instances[i].Call(k.Name, turns)
			took := threadTime() - before
			if err != nil {
				return nil, fmt.Errorf("%s: %w", engines[i].Name(), err)
			}
			if round < 0 {
				if i == 0 {
					want = uint64(uint32(got))
				}
				if uint64(uint32(got)) != want {
					return nil, fmt.Errorf("%s computed %d, %s %d", engines[i].Name(), uint32(got), engines[0].Name(), want)
				}
				continue
			}
			times[i] = append(times[i], max(took, 1))
		}
	}
	return times, nil
}

// visited is an instance that counts how often the host is visited.
type visited interface {
	visits() uint64
	forget()
}

// quantumOf is the mean time between two visits in microseconds, 0 for none.
func quantumOf(instances []Instance, times [][]time.Duration) float64 {
	for i := range instances {
		if v, ok := instances[i].(visited); ok && v.visits() > 0 {
			var sum time.Duration
			for _, t := range times[i] {
				sum += t
			}
			return float64(sum) / float64(time.Microsecond) / float64(v.visits())
		}
	}
	return 0
}
