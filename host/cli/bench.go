package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lambent-host/lambent/bench"
)

const aboutBench = `Bench measures this machine: what a cold start and a warm invocation cost, and how
far both are from a plain echo handler in the same run. It starts a host of its own
on loopback, is bounded in count and time, and needs a checkout of the source.
Figures differ from machine to machine and from run to run; trust the ratios.`

func (a *app) benchCommand() *cobra.Command {
	cfg := bench.DefaultConfig()
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "bench",
		Short:   "Measure cold and warm invocations against a plain HTTP server",
		Long:    aboutBench,
		Example: "  lambent bench\n  lambent bench --function echo --requests 500 --json",
		Args:    positional(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cfg.Validate(); err != nil {
				return flagFaults(err, benchFlags)
			}
			report, err := bench.Run(cmd.Context(), cfg, a.progress)
			if err != nil {
				return err
			}
			if asJSON {
				return report.WriteJSON(a.Stdout)
			}
			return report.WriteTable(a.Stdout)
		},
	}
	for _, s := range benchScenarios {
		cmd.AddCommand(a.scenarioCommand(s()))
	}
	flags := cmd.Flags()
	flags.IntVar(&cfg.Rounds, "rounds", cfg.Rounds, "how often everything is measured")
	flags.IntVar(&cfg.Requests, "requests", cfg.Requests, "requests of each warm scenario in a round")
	flags.IntVar(&cfg.Cold, "cold", cfg.Cold, "cold requests in a round")
	flags.IntVar(&cfg.Warmup, "warmup", cfg.Warmup, "requests that come first and are not measured")
	flags.IntVar(&cfg.Concurrency, "concurrency", cfg.Concurrency, "workers of the loaded scenarios")
	flags.IntVar(&cfg.MemoryMB, "memory", cfg.MemoryMB, "MB of the function's memory")
	flags.StringVar(&cfg.Function, "function", cfg.Function, "json or echo")
	flags.DurationVar(&cfg.Limit, "limit", cfg.Limit, "how long the whole run may take")
	flags.BoolVar(&asJSON, "json", false, "print JSON instead of a table")
	return cmd
}

// benchFlags are the flags of the fields that a configuration can have faults in.
var benchFlags = map[string]string{
	"Rounds": "rounds", "Requests": "requests", "Cold": "cold", "Warmup": "warmup", "Concurrency": "concurrency",
	"MemoryMB": "memory", "Function": "function", "Limit": "limit",
}

// progress tells a person what a bench is doing, one line a step.
func (a *app) progress(step string) { fmt.Fprintln(a.Stderr, strings.TrimRight(step, "\n")) }
