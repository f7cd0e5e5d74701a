package cli

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lambent-host/lambent/bench/measure"
)

// benchScenario is one "lambent bench NAME": a configuration that flags write
// to, and what runs it.
type benchScenario struct {
	name, short, long string
	flags             func(*pflag.FlagSet)
	// fields names the flag of each field that validate can find fault with.
	fields   map[string]string
	validate func() error
	run      func(ctx context.Context, progress func(string)) (measure.Report, error)
	plots    bool // the report is a measure.Plotted
}

// benchScenarios make the scenarios with their defaults, in the order of the help.
var benchScenarios = []func() benchScenario{meterScenario, publishScenario, snapshotScenario, densityScenario, shareScenario, hogScenario, deadlineScenario, telemetryScenario, soakScenario}

func (a *app) scenarioCommand(s benchScenario) *cobra.Command {
	var asJSON bool
	var plot string
	cmd := &cobra.Command{
		Use:   s.name,
		Short: s.short,
		Long:  s.long,
		Args:  positional(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.validate(); err != nil {
				return flagFaults(err, s.fields)
			}
			report, err := s.run(cmd.Context(), a.progress)
			if err != nil {
				return err
			}
			if plotted, ok := report.(measure.Plotted); ok && plot != "" {
				if err := writeFile(plot, plotted.WritePlot); err != nil {
					return err
				}
			}
			if asJSON {
				return report.WriteJSON(a.Stdout)
			}
			return report.WriteTable(a.Stdout)
		},
	}
	s.flags(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON instead of a table")
	if s.plots {
		cmd.Flags().StringVar(&plot, "plot", "", "write a picture (SVG) to this file")
	}
	return cmd
}
