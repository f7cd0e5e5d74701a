package cli

import (
	"context"

	"github.com/spf13/pflag"

	"github.com/lambent-host/lambent/bench/measure"
	"github.com/lambent-host/lambent/bench/telemetry"
)

const aboutBenchTelemetry = `Telemetry measures what telemetry costs: the throughput of warm invocations with no
subscriber, one, many, and one that never answers; events a second through the bus
and over HTTP, beside a plain POST of the same batches; and what an invocation
allocates for telemetry that nobody reads. It builds its function and its
subscriber, which needs a checkout of the source.`

func telemetryScenario() benchScenario {
	cfg := telemetry.DefaultConfig()
	return benchScenario{
		name: "telemetry", short: "Measure invocations with and without subscribers to telemetry", long: aboutBenchTelemetry,
		flags: func(flags *pflag.FlagSet) {
			flags.StringVar(&cfg.Function, "function", cfg.Function, "json or echo")
			flags.IntVar(&cfg.Rounds, "rounds", cfg.Rounds, "how often each way to subscribe is loaded")
			flags.IntVar(&cfg.Requests, "requests", cfg.Requests, "requests to each host in a round")
			flags.IntVar(&cfg.Concurrency, "concurrency", cfg.Concurrency, "workers that send them")
			flags.IntVar(&cfg.Many, "many", cfg.Many, "how many subscribers many are, 10 at most")
			flags.IntVar(&cfg.Events, "events", cfg.Events, "events that go through the bus, and over HTTP")
			flags.DurationVar(&cfg.Limit, "limit", cfg.Limit, "how long the whole run may take")
		},
		fields: map[string]string{"Function": "function", "Rounds": "rounds", "Requests": "requests", "Concurrency": "concurrency",
			"Many": "many", "Events": "events", "Limit": "limit"},
		validate: func() error { return cfg.Validate() }, //nolint:gocritic // flags change cfg after this
		run: func(ctx context.Context, progress func(string)) (measure.Report, error) {
			return telemetry.Run(ctx, cfg, progress)
		},
	}
}
