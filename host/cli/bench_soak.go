package cli

import (
	"context"

	"github.com/spf13/pflag"

	"github.com/lambent-host/lambent/bench/measure"
	"github.com/lambent-host/lambent/bench/soak"
)

const aboutBenchSoak = `Soak runs a host for a while with everything going wrong: functions that fail, trap,
exit and run out of time, extensions that are killed from outside, and one that
refuses batches. It ends with a failure unless every event was delivered or counted
as lost, every function still answers, and no goroutine, file or process is left.
It builds its functions and its extension, which needs a checkout of the source.`

func soakScenario() benchScenario {
	cfg := soak.DefaultConfig()
	return benchScenario{
		name: "soak", short: "Hold a host to account while functions and extensions crash", long: aboutBenchSoak,
		flags: func(flags *pflag.FlagSet) {
			flags.IntVar(&cfg.Functions, "functions", cfg.Functions, "how many functions there are")
			flags.DurationVar(&cfg.Duration, "duration", cfg.Duration, "how long they are invoked")
			flags.IntVar(&cfg.PerSecond, "rate", cfg.PerSecond, "invocations that begin in a second, at most")
			flags.IntVar(&cfg.Workers, "workers", cfg.Workers, "connections that they come on")
			flags.DurationVar(&cfg.KillEvery, "kill-every", cfg.KillEvery, "time between two kills of an extension, on average")
			flags.Uint64Var(&cfg.Seed, "seed", cfg.Seed, "of the choices")
			flags.DurationVar(&cfg.Limit, "limit", cfg.Limit, "how long the whole run may take")
		},
		fields: map[string]string{"Functions": "functions", "Duration": "duration", "PerSecond": "rate", "Workers": "workers",
			"KillEvery": "kill-every", "Limit": "limit"},
		validate: func() error { return cfg.Validate() }, //nolint:gocritic // flags change cfg after this
		run: func(ctx context.Context, progress func(string)) (measure.Report, error) {
			return soak.Run(ctx, cfg, progress)
		},
	}
}
