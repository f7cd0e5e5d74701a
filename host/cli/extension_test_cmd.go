package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/lambent-host/lambent/extensions/conformance"
	"github.com/lambent-host/lambent/extensions/place"
)

const aboutExtensionTest = `Test leads an extension, written in any language, through the lives that it may meet:
invocations, functions that fail, floods of lines, a backend that is gone, the end.
For each scenario it prints pass, fail or skip and what was seen; for one that
failed also what was expected and what the extension wrote; at the end, what was
measured. Everything is real but the function, which is played.

The backend of the extension, where its data goes, is played as well, by an HTTP
server on loopback that can be slow or gone. The extension has to be told of it:
--sink-env NAME sets a variable to its URL, and in the values of --env {sink} stands
for the URL, {sink.addr} for host:port and {sink.port} for the port. Without that
those scenarios are skipped; a skipped scenario has not passed.

The extension runs isolated, as on Lambda, where this machine may do that: it has a
network, /tmp and /opt of its own, and the last line says so. --isolation none runs
it on the machine itself.

Several executables are tested together, as they would run beside one function;
--layer takes a folder laid out as a Lambda layer instead.

Exit code: 0 if no scenario failed, 1 if one did, 2 if the test could not be made.`

// extensionTest is what the flags say.
type extensionTest struct {
	conformance.Config
	list, json bool
	junit      string
}

func (a *app) extensionTestCommand() *cobra.Command {
	var in extensionTest
	cmd := &cobra.Command{
		Use:   "test ./binary...",
		Short: "Try out whether a program is a good extension",
		Long:  aboutExtensionTest,
		Example: "  lambent extension test ./my-extension --sink-env COLLECTOR_URL\n" +
			"  lambent extension test --layer ./layer --env API_KEY=x --env 'ENDPOINT={sink}/v1/logs' --junit report.xml\n" +
			"  lambent extension test ./my-extension --scenario shutdown,sigterm --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Executables = args
			switch {
			case in.list:
				return listScenarios(a.Stdout)
			case len(args) == 0 && in.Layer == "":
				return usagef("test: the extension's executable is missing, or --layer")
			case in.Timeout <= 0:
				return usagef("--timeout: %s is not positive", in.Timeout)
			case in.Invocations <= 0:
				return usagef("--invocations: %d is not positive", in.Invocations)
			}
			return a.testExtension(cmd.Context(), in)
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&in.Scenarios, "scenario", nil, "run only these `NAMES` (see --list)")
	flags.BoolVar(&in.list, "list", false, "list the scenarios and run none")
	flags.BoolVar(&in.json, "json", false, "print JSON instead of text")
	flags.StringVar(&in.junit, "junit", "", "write the report as JUnit XML to this `FILE` as well")
	flags.DurationVar(&in.Timeout, "timeout", conformance.DefaultTimeout, "how long each scenario may take")
	flags.IntVar(&in.Invocations, "invocations", conformance.DefaultInvocations, "how many there are in the scenarios of many")
	flags.StringArrayVar(&in.Env, "env", nil, "`NAME=VALUE` for the extension; can be given again")
	flags.StringArrayVar(&in.SinkEnv, "sink-env", nil, "`NAME` of a variable that tells the extension its backend's URL; can be given again")
	flags.StringVar((*string)(&in.Isolation), "isolation", string(place.Auto), "what the extension has of its own: full (network, files, processes, user), network (and processes), none, auto (full where this machine may, else none)")
	flags.StringVar(&in.Layer, "layer", "", "test the extensions of a `DIR` laid out as a layer")
	return cmd
}

func listScenarios(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range conformance.Scenarios() {
		fmt.Fprintf(table, "%s\ttried: %s\n\texpected: %s\n", s.Name, s.What, s.Expect)
	}
	return table.Flush()
}

// errScenarios is an extension that failed.
var errScenarios = errors.New("the extension does not do what is expected of it")

func (a *app) testExtension(ctx context.Context, in extensionTest) error {
	cfg := in.Config
	cfg.Begin = func(s conformance.Scenario) {
		if in.json || isTerminal(a.Stderr) {
			a.progress(s.Name + " ...")
		}
	}
	cfg.End = func(r conformance.Result) {
		if !in.json {
			_ = conformance.WriteResult(a.Stdout, r) // a terminal that is gone is nobody's loss
		}
	}
	report, err := conformance.Run(ctx, cfg)
	switch {
	case errors.Is(err, conformance.ErrConfig):
		return usagef("test: %s", strings.TrimPrefix(err.Error(), conformance.ErrConfig.Error()+": "))
	case err != nil:
		return &exitCodeError{err, exitUsage}
	}
	if in.junit != "" {
		if err := writeFile(in.junit, report.WriteJUnit); err != nil {
			return &exitCodeError{fmt.Errorf("--junit: %w", err), exitUsage}
		}
	}
	if err := a.printReport(report, in.json); err != nil {
		return &exitCodeError{err, exitUsage}
	}
	if report.Failed() {
		return errScenarios
	}
	return nil
}

func (a *app) printReport(report *conformance.Report, asJSON bool) error {
	if asJSON {
		return report.WriteJSON(a.Stdout)
	}
	fmt.Fprintln(a.Stdout)
	if err := report.WriteFigures(a.Stdout); err != nil {
		return err
	}
	fmt.Fprintf(a.Stdout, "\n%s\n", report.Summary())
	return nil
}

// writeFile has a file written by what writes.
func writeFile(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		_ = f.Close() // what went wrong before matters
		return err
	}
	return f.Close()
}
