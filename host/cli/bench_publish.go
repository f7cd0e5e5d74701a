package cli

import (
	"context"

	"github.com/spf13/pflag"

	"github.com/lambent-host/lambent/bench/measure"
	"github.com/lambent-host/lambent/bench/publishing"
)

const aboutBenchPublish = `Publish measures what making a module ready costs, by its size: the child process
that checks, meters and compiles it, the load of what that left, and what a
neighbour's warm invocations notice meanwhile. It builds a module in C and one in Go,
which needs a checkout of the source, the go command, and clang with lld; CPython and
Ruby are fetched from npm and kept in the user's cache folder (or in the folder that
LAMBENT_INTERPRETERS names).`

func publishScenario() benchScenario {
	cfg := publishing.DefaultConfig()
	return benchScenario{
		name: "publish", short: "Measure compiling in a child process, and loading", long: aboutBenchPublish,
		flags: func(flags *pflag.FlagSet) {
			flags.IntVar(&cfg.Rounds, "rounds", cfg.Rounds, "how often each module is compiled and loaded")
			flags.StringSliceVar(&cfg.Modules, "modules", cfg.Modules, "of c, go, cpython, ruby")
			flags.StringVar(&cfg.Neighbour, "neighbour", cfg.Neighbour, "module that is published beside a neighbour's invocations; empty: none")
			flags.DurationVar(&cfg.Limit, "limit", cfg.Limit, "how long the whole run may take")
		},
		fields:   map[string]string{"Rounds": "rounds", "Modules": "modules", "Neighbour": "neighbour", "Limit": "limit"},
		validate: func() error { return cfg.Validate() }, //nolint:gocritic // flags change cfg after this
		run: func(ctx context.Context, progress func(string)) (measure.Report, error) {
			return publishing.Run(ctx, cfg, progress)
		},
	}
}
