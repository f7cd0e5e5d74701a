package bench

import (
	"context"
	"errors"
	"fmt"

	"github.com/lambent-host/lambent/bench/measure"
)

// Names of the scenarios in a report. The loaded ones are warm and ceiling at
// Config.Concurrency.
const (
	Cold          = "cold"
	Warm          = "warm"
	Ceiling       = "ceiling"
	WarmLoaded    = "warm, loaded"
	CeilingLoaded = "ceiling, loaded"
)

// scenario is one of a round.
type scenario struct {
	name        string
	concurrency int
	run         func(ctx context.Context) (Result, error)
}

// Run builds the guest, starts a host and the ceiling on loopback, measures, and
// takes everything down again. progress, which may be nil, is told what goes on,
// one line a step. Errors: a configuration with faults, no checkout or go
// command, a run that Config.Limit or ctx ended, a request that failed.
func Run(ctx context.Context, cfg Config, progress func(string)) (_ Report, err error) {
	if err := cfg.Validate(); err != nil {
		return Report{}, fmt.Errorf("bench configuration: %w", err)
	}
	if progress == nil {
		progress = func(string) {}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, cfg.Limit, fmt.Errorf("the bench took longer than %v", cfg.Limit))
	defer cancel()
	report := Report{Head: measure.NewHead(), Config: cfg}
	st, err := openStage(ctx, cfg, progress)
	if err != nil {
		return Report{}, withCause(ctx, err)
	}
	defer func() { err = errors.Join(err, st.close(context.WithoutCancel(ctx))) }()

	scenarios := st.scenarios(cfg)
	rounds, err := playRounds(ctx, cfg.Rounds, scenarios, progress)
	if err != nil {
		return Report{}, withCause(ctx, err)
	}
	report.Setup = st.setup
	report.Finish()
	report.summarize(scenarios, rounds)
	return report, nil
}

// reportedShare: to one in so many warm requests, another is sent that asks the
// host for the function's own time.
const reportedShare = 20

// scenarios are those of a round, in the order of the even ones.
func (st *stage) scenarios(cfg Config) []scenario {
	load := func(url string, concurrency, reported int) func(context.Context) (Result, error) {
		return func(ctx context.Context) (Result, error) {
			return RunLoad(ctx, LoadConfig{
				URL: url, Payload: st.payload, Want: st.answer,
				Warmup: cfg.Warmup, Requests: cfg.Requests, Concurrency: concurrency, Reported: reported,
			})
		}
	}
	return []scenario{
		{Cold, 1, func(ctx context.Context) (Result, error) {
			return RunCold(ctx, ColdConfig{Endpoint: st.endpoint(), Function: functionName, Payload: st.payload, Requests: cfg.Cold})
		}},
		{Warm, 1, load(st.warmURL(), 1, (cfg.Requests+reportedShare-1)/reportedShare)},
		{Ceiling, 1, load(st.ceiling.URL(), 1, 0)},
		{WarmLoaded, cfg.Concurrency, load(st.warmURL(), cfg.Concurrency, 0)},
		{CeilingLoaded, cfg.Concurrency, load(st.ceiling.URL(), cfg.Concurrency, 0)},
	}
}

func (st *stage) warmURL() string { return invokeURL(st.endpoint(), functionName) }

// playRounds runs every scenario once a round, forwards and backwards in turn,
// and returns the results by name.
func playRounds(ctx context.Context, rounds int, scenarios []scenario, progress func(string)) (map[string][]Result, error) {
	results := map[string][]Result{}
	for round := range rounds {
		for i := range scenarios {
			s := scenarios[i]
			if round%2 == 1 {
				s = scenarios[len(scenarios)-1-i]
			}
			progress(fmt.Sprintf("round %d of %d: %s", round+1, rounds, s.name))
			r, err := s.run(ctx)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			results[s.name] = append(results[s.name], r)
		}
	}
	return results, nil
}

// withCause says why the context ended where an error only says that it did.
func withCause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.Join(context.Cause(ctx), err)
	}
	return err
}
