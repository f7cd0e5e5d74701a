package cli

import (
	"context"

	"github.com/spf13/pflag"

	"github.com/lambent-host/lambent/bench/measure"
	"github.com/lambent-host/lambent/bench/snapshots"
)

const aboutBenchSnapshot = `Snapshot measures the way from nothing to a handler that is entered: instantiate
and init, restore from a snapshot with a seat ready and with none, a warm
invocation, and one that starts with a reset; for a handler in Go (an ordinary
aws-lambda-go one) and one in C. It builds them, which needs a checkout of the
source, the go command, and clang with wasi-libc.`

func snapshotScenario() benchScenario {
	cfg := snapshots.DefaultConfig()
	return benchScenario{
		name: "snapshot", short: "Measure restoring from a snapshot, and resetting to one", long: aboutBenchSnapshot,
		flags: func(flags *pflag.FlagSet) {
			flags.IntVar(&cfg.Rounds, "rounds", cfg.Rounds, "how often each kind is measured")
			flags.StringSliceVar(&cfg.Languages, "language", cfg.Languages, "languages of the handlers: go, c")
			flags.IntVar(&cfg.MemoryMB, "memory", cfg.MemoryMB, "memory size of the functions in MB")
			flags.IntVar(&cfg.Seats, "seats", cfg.Seats, "seats made to measure what one costs")
			flags.IntVar(&cfg.Burst, "burst", cfg.Burst, "instances restored at once beyond the seats there are")
			flags.IntVar(&cfg.WarmUp, "warm-up", cfg.WarmUp, "invocations before the snapshot is taken; the host makes none")
			flags.StringVar(&cfg.CacheDir, "cache", cfg.CacheDir, "folder for the compiled handlers")
			flags.DurationVar(&cfg.Limit, "limit", cfg.Limit, "how long the whole run may take")
		},
		fields: map[string]string{"Rounds": "rounds", "Languages": "language", "MemoryMB": "memory", "Seats": "seats",
			"Burst": "burst", "WarmUp": "warm-up", "Limit": "limit"},
		validate: func() error { return cfg.Validate() }, //nolint:gocritic // flags change cfg after this
		run: func(ctx context.Context, progress func(string)) (measure.Report, error) {
			return snapshots.Run(ctx, cfg, progress)
		},
	}
}
