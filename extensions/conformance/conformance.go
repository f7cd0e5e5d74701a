// Package conformance tries out whether a program is a good Lambda extension. It
// leads any executable, in any language, through named scenarios: a normal life,
// functions that fail, floods of log lines, a backend that is slow or gone, the
// end. Each [Scenario] says what it expects; a [Result] says what was seen.
//
//	report, err := conformance.Run(ctx, conformance.Config{Target: conformance.Target{Executables: []string{"./binary"}}})
//	report.WriteTable(os.Stdout) // or WriteJSON, WriteJUnit
//
// All of it is real but the function: the extension is a process, the APIs are
// the host's own over HTTP, deadlines are Lambda's, and what is measured is
// measured. The function is played: what it would write and how it would end are
// part of the scenario. An extension's backend is played by a local HTTP server
// (see [Target.SinkEnv]); an extension that cannot be told where its backend is
// has those scenarios skipped and not passed.
//
// Read next: scenario.go, then the scenarios by subject in the files that begin
// with on_. Package extensionstest makes all this a Go test.
package conformance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lambent-host/lambent/extensions"
	"github.com/lambent-host/lambent/extensions/place"
)

// Target is what is tried out.
type Target struct {
	// Executables of one or more extensions, which are tried together.
	Executables []string
	// Layer is a folder laid out as a Lambda layer, with the executables in its
	// folder extensions. It is used where there are no Executables.
	Layer string
	// Env is added to the function's environment, "K=V". In the values, {sink} is
	// replaced by the URL of the local backend, {sink.addr} by its host:port and
	// {sink.port} by its port.
	Env []string
	// SinkEnv are names of variables that are set to the URL of the local backend.
	SinkEnv []string
}

// Config is a run.
type Config struct {
	Target
	// Scenarios are the names of those to run; none means all.
	Scenarios []string
	// Timeout bounds each scenario; 0 means a minute.
	Timeout time.Duration
	// InitTimeout, InvokeTimeout and ShutdownBudget are the deadlines that the
	// extension is held to; 0 means 10 s, 3 s and 2 s, Lambda's defaults.
	InitTimeout, InvokeTimeout, ShutdownBudget time.Duration
	// Invocations is how many there are in the scenarios of many; 0 means 100.
	Invocations int
	// Isolation is what an environment's extensions have of their own: "" or
	// [place.Auto] is a network, files and processes where the machine can give them,
	// which a program's main has to help with (see [place.ExitIfChild]).
	Isolation place.Isolation
	// Begin and End, if set, are told of each scenario as it runs.
	Begin func(Scenario)
	End   func(Result)

	// own makes the place with a network for each environment; nil is isolate, tests
	// have others.
	own func(context.Context, place.Isolation, *sink) (where, error)
}

// Defaults of a run.
const (
	DefaultTimeout     = time.Minute
	DefaultInvocations = 100
)

// ErrConfig marks a configuration that makes no sense, as opposed to a breakage
// of the kit.
var ErrConfig = errors.New("cannot be tried out")

func (c Config) withDefaults() Config {
	for value, normal := range map[*time.Duration]time.Duration{
		&c.Timeout: DefaultTimeout, &c.InitTimeout: 10 * time.Second, &c.InvokeTimeout: 3 * time.Second, &c.ShutdownBudget: 2 * time.Second,
	} {
		if *value == 0 {
			*value = normal
		}
	}
	if c.own == nil {
		c.own = isolate
	}
	if c.Invocations == 0 {
		c.Invocations = DefaultInvocations
	}
	return c
}

// Run runs the scenarios, one after the other, and returns what came of them. An
// error wraps [ErrConfig], or is a breakage of the kit; an extension that fails is none.
// When ctx is done the scenario under way is cut short, the rest is left out,
// and the error is ctx's. When Run returns, no process is left.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	cfg = cfg.withDefaults()
	chosen, err := choose(cfg.Scenarios)
	if err != nil {
		return nil, err
	}
	for _, pair := range cfg.Env {
		if name, _, ok := strings.Cut(pair, "="); !ok || name == "" {
			return nil, fmt.Errorf("%w: %q is not of the form NAME=VALUE", ErrConfig, pair)
		}
	}
	b, cleanup, err := newBench(cfg)
	if err != nil {
		return nil, err
	}
	defer cleanup()
	report := &Report{Extensions: b.names, Began: time.Now()}
	if report.Place, err = b.choose(ctx); err != nil {
		return nil, err
	}
	for _, scenario := range chosen {
		if cfg.Begin != nil {
			cfg.Begin(scenario)
		}
		result := b.run(ctx, scenario)
		if ctx.Err() != nil {
			return report, context.Cause(ctx)
		}
		report.Results = append(report.Results, result)
		if cfg.End != nil {
			cfg.End(result)
		}
	}
	report.Took = time.Since(report.Began)
	return report, nil
}

// choose returns the scenarios with the names, in the order of the list.
func choose(names []string) ([]Scenario, error) {
	if len(names) == 0 {
		return Scenarios(), nil
	}
	var chosen []Scenario
	known := map[string]bool{}
	for _, scenario := range Scenarios() {
		known[scenario.Name] = true
		if slices.Contains(names, scenario.Name) {
			chosen = append(chosen, scenario)
		}
	}
	for _, name := range names {
		if !known[name] {
			return nil, fmt.Errorf("%w: there is no scenario %q", ErrConfig, name)
		}
	}
	return chosen, nil
}

// folder is where the extensions are, and the layer they came in.
func (t Target) folder() (dir, opt string, cleanup func(), err error) {
	nothing := func() {}
	switch {
	case len(t.Executables) > 0 && t.Layer != "":
		return "", "", nothing, fmt.Errorf("%w: there are executables and a layer: give one of them", ErrConfig)
	case t.Layer != "":
		if opt, err = filepath.Abs(t.Layer); err != nil {
			return "", "", nothing, err
		}
		return "", opt, nothing, nil
	}
	dir, err = os.MkdirTemp("", "lambent-conformance-")
	if err != nil {
		return "", "", nothing, err
	}
	cleanup = func() { _ = os.RemoveAll(dir) }
	for _, path := range t.Executables {
		if err := link(path, dir); err != nil {
			cleanup()
			return "", "", nothing, fmt.Errorf("%w: %w", ErrConfig, err)
		}
	}
	return dir, "", cleanup, nil
}

// link puts an executable into the folder under its own name, which is the
// extension's.
func link(path, dir string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a file", path)
	}
	return os.Symlink(path, filepath.Join(dir, filepath.Base(path)))
}

// discover returns the names of the extensions in the folder, or in the layer.
func discover(dir, opt string) ([]string, error) {
	if opt != "" {
		dir = filepath.Join(opt, "extensions")
	}
	paths, err := extensions.Discover(dir)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	case len(paths) == 0:
		return nil, fmt.Errorf("%w: there is no extension in %s", ErrConfig, dir)
	}
	names := make([]string, 0, len(paths))
	for _, path := range paths {
		names = append(names, filepath.Base(path))
	}
	return names, nil
}
