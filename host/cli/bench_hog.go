package cli

import (
	"context"

	"github.com/spf13/pflag"

	"github.com/lambent-host/lambent/bench/hog"
	"github.com/lambent-host/lambent/bench/measure"
)

const aboutBenchHog = `Hog measures what a quiet function notices of others that take all the CPU they can
get: its warm latency over HTTP beside none, one, and very many guests that spin. It
builds its guests, which needs a checkout of the source.`

func hogScenario() benchScenario {
	cfg := hog.DefaultConfig()
	return benchScenario{
		name: "hog", short: "Measure a quiet function beside others that spin", long: aboutBenchHog,
		flags: func(flags *pflag.FlagSet) {
			flags.IntSliceVar(&cfg.Spinners, "spinners", cfg.Spinners, "how many spin, each number by itself")
			flags.StringVar(&cfg.Quota, "cpu-quota", cfg.Quota, "of the host: lambda or off")
			flags.DurationVar(&cfg.Interval, "interval", cfg.Interval, "time between two requests")
			flags.DurationVar(&cfg.Settle, "settle", cfg.Settle, "how long they spin before anything is measured")
			flags.DurationVar(&cfg.Duration, "duration", cfg.Duration, "how long is measured")
			flags.IntVar(&cfg.MemoryMB, "memory", cfg.MemoryMB, "MB of the functions' memory")
			flags.DurationVar(&cfg.Limit, "limit", cfg.Limit, "how long the whole run may take")
		},
		fields: map[string]string{"Spinners": "spinners", "Quota": "cpu-quota", "Interval": "interval", "Settle": "settle",
			"Duration": "duration", "MemoryMB": "memory", "Limit": "limit"},
		validate: func() error { return cfg.Validate() }, //nolint:gocritic // flags change cfg after this
		run: func(ctx context.Context, progress func(string)) (measure.Report, error) {
			return hog.Run(ctx, cfg, progress)
		},
	}
}
