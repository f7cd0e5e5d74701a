package cli

import (
	"context"

	"github.com/spf13/pflag"

	"github.com/lambent-host/lambent/bench/measure"
	"github.com/lambent-host/lambent/bench/metering"
)

const aboutBenchMeter = `Meter measures what counting a guest's work costs: kernels in C and Go run plain,
metered, and under wazero's own WithCloseOnContextDone, in turns. It builds the
kernels, which needs a checkout of the source, the go command, and clang with lld.`

func meterScenario() benchScenario {
	cfg := metering.DefaultConfig()
	return benchScenario{
		name: "meter", short: "Measure what metering costs, kernel by kernel", long: aboutBenchMeter,
		flags: func(flags *pflag.FlagSet) {
			flags.IntVar(&cfg.Rounds, "rounds", cfg.Rounds, "how often each kernel is run in each engine")
			flags.Float64Var(&cfg.Scale, "scale", cfg.Scale, "work of a run, 1 is some ten milliseconds")
			flags.StringVar(&cfg.Language, "language", cfg.Language, "c or go (default both)")
			flags.StringSliceVar(&cfg.Only, "only", nil, "names of kernels (default all)")
			flags.DurationVar(&cfg.Limit, "limit", cfg.Limit, "how long the whole run may take")
		},
		fields:   map[string]string{"Rounds": "rounds", "Scale": "scale", "Language": "language", "Only": "only", "Limit": "limit"},
		validate: func() error { return cfg.Validate() }, //nolint:gocritic // flags change cfg after this
		run: func(ctx context.Context, progress func(string)) (measure.Report, error) {
			return metering.Run(ctx, cfg, progress)
		},
	}
}
