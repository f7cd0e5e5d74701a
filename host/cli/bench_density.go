package cli

import (
	"context"

	"github.com/spf13/pflag"

	"github.com/lambent-host/lambent/bench/density"
	"github.com/lambent-host/lambent/bench/measure"
)

const aboutBenchDensity = `Density measures how much memory idle environments of one function take that were
restored from a snapshot, before and after each has answered an invocation. It
builds the handler, which needs a checkout of the source and the go command.`

func densityScenario() benchScenario {
	cfg := density.DefaultConfig()
	return benchScenario{
		name: "density", short: "Measure the memory of idle environments", long: aboutBenchDensity,
		flags: func(flags *pflag.FlagSet) {
			flags.IntSliceVar(&cfg.Environments, "environments", cfg.Environments, "how many, one measurement each")
			flags.StringVar(&cfg.Language, "language", cfg.Language, "language of the handler: go, c")
			flags.IntVar(&cfg.MemoryMB, "memory", cfg.MemoryMB, "memory size of the function in MB")
			flags.StringVar(&cfg.CacheDir, "cache", cfg.CacheDir, "folder for the compiled handler")
			flags.DurationVar(&cfg.Limit, "limit", cfg.Limit, "how long the whole run may take")
		},
		fields:   map[string]string{"Environments": "environments", "Language": "language", "MemoryMB": "memory", "Limit": "limit"},
		validate: func() error { return cfg.Validate() }, //nolint:gocritic // flags change cfg after this
		run: func(ctx context.Context, progress func(string)) (measure.Report, error) {
			return density.Run(ctx, cfg, progress)
		},
	}
}
