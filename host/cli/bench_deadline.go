package cli

import (
	"context"

	"github.com/spf13/pflag"

	"github.com/lambent-host/lambent/bench/deadline"
	"github.com/lambent-host/lambent/bench/measure"
)

const aboutBenchDeadline = `Deadline measures how long after its deadline a guest is ended that does not come
back: from loops, recursions, bulk instructions, sleeps, host calls, init. It builds
its guest, which needs a checkout of the source, and clang with lld.`

func deadlineScenario() benchScenario {
	cfg := deadline.DefaultConfig()
	return benchScenario{
		name: "deadline", short: "Measure how late guests are ended that do not come back", long: aboutBenchDeadline,
		flags: func(flags *pflag.FlagSet) {
			flags.IntVar(&cfg.Samples, "samples", cfg.Samples, "how often each way is tried")
			flags.DurationVar(&cfg.Deadline, "deadline", cfg.Deadline, "how long a guest has")
			flags.DurationVar(&cfg.Limit, "limit", cfg.Limit, "how long the whole run may take")
		},
		fields:   map[string]string{"Samples": "samples", "Deadline": "deadline", "Limit": "limit"},
		validate: func() error { return cfg.Validate() }, //nolint:gocritic // flags change cfg after this
		run: func(ctx context.Context, progress func(string)) (measure.Report, error) {
			return deadline.Run(ctx, cfg, progress)
		},
	}
}
