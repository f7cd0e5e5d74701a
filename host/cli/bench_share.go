package cli

import (
	"context"

	"github.com/spf13/pflag"

	"github.com/lambent-host/lambent/bench/measure"
	"github.com/lambent-host/lambent/bench/share"
)

const aboutBenchShare = `Share measures whether guests that spin get the CPU time that their memory size
stands for, one alone and several together, and draws it. It builds its guest,
which needs a checkout of the source.`

func shareScenario() benchScenario {
	cfg := share.DefaultConfig()
	return benchScenario{
		name: "share", short: "Measure CPU shares against memory sizes", long: aboutBenchShare, plots: true,
		flags: func(flags *pflag.FlagSet) {
			flags.IntSliceVar(&cfg.MemoryMB, "memory", cfg.MemoryMB, "memory sizes in MB")
			flags.IntSliceVar(&cfg.Guests, "guests", cfg.Guests, "how many spin at once, each number a run")
			flags.DurationVar(&cfg.Duration, "duration", cfg.Duration, "how long each run takes")
			flags.DurationVar(&cfg.Limit, "limit", cfg.Limit, "how long the whole run may take")
		},
		fields:   map[string]string{"MemoryMB": "memory", "Guests": "guests", "Duration": "duration", "Limit": "limit"},
		validate: func() error { return cfg.Validate() }, //nolint:gocritic // flags change cfg after this
		run: func(ctx context.Context, progress func(string)) (measure.Report, error) {
			return share.Run(ctx, cfg, progress)
		},
	}
}
