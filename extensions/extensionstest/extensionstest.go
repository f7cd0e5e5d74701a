// Package extensionstest is for the tests of extensions, in any language.
//
// [Conform] tries an executable out in all scenarios that an extension may meet,
// as "lambent extension test" does:
//
//	func TestConformance(t *testing.T) {
//		extensionstest.Conform(t, "./my-extension", extensionstest.SinkEnv("COLLECTOR_URL"))
//	}
//
// [Drive] leads one life and records what the extension did, for tests of its own
// behaviour:
//
//	run, err := extensionstest.Drive(ctx, extensionstest.Scenario{Executables: []string{path}, Invokes: 3})
//	// run.Calls("my-extension") tells what it did, in order; run.Steps how each phase ended
//
// Everything is real but the function: the extension is a process, the APIs are
// served over HTTP, and the platform events that a function would cause are
// published around it.
//
// Read next: package conformance for the scenarios, package extensions for what is
// driven.
package extensionstest

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/lambent-host/lambent/extensions"
	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/extensions/internal/life"
	"github.com/lambent-host/lambent/telemetry"
)

// Scenario is a life to lead. Only Executables or Dir is required.
type Scenario struct {
	// Executables are linked into a folder of their own, which is then searched
	// as the host searches it.
	Executables []string
	// Dir is searched instead if it is set.
	Dir string
	// Env is added to the function's environment, "K=V".
	Env []string
	// Invokes is how many invocations there are.
	Invokes int
	// LogLines is how many lines the function writes in each.
	LogLines int
	// InitTimeout, InvokeTimeout and ShutdownBudget bound the phases; 0 means 10 s,
	// 3 s and 2 s, Lambda's defaults.
	InitTimeout, InvokeTimeout, ShutdownBudget time.Duration
	// ShutdownReason is spindown if it is empty; after a failure the driver sets it.
	ShutdownReason string
}

// Step is one phase of the life.
type Step struct {
	// Name is start, init, invoke 1, invoke 2, ... or shutdown.
	Name  string
	Took  time.Duration
	Error error
}

// Run is what became of a scenario.
type Run struct {
	// Steps in order. After a step that failed comes shutdown.
	Steps []Step
	// Activities of all extensions, in order.
	Activities []extensions.Activity
	// Published is every event of the environment, in order.
	Published []telemetry.Event
}

// Calls are what one extension did and what was done to it, in order: started,
// registered, next, INVOKE, ...
func (r *Run) Calls(extension string) []string {
	var calls []string
	for _, a := range r.Activities {
		if a.Extension == extension {
			calls = append(calls, a.What)
		}
	}
	return calls
}

// Err is the first error of a step, with the name of the step.
func (r *Run) Err() error {
	for _, step := range r.Steps {
		if step.Error != nil {
			return fmt.Errorf("%s: %w", step.Name, step.Error)
		}
	}
	return nil
}

// Drive leads the life and returns what happened; the error is about the driver
// itself and not about an extension. When it returns, no process is left.
func Drive(ctx context.Context, scenario Scenario) (*Run, error) {
	dir, cleanup, err := scenario.folder()
	if err != nil {
		return nil, err
	}
	defer cleanup()
	d := &driver{scenario: scenario, bus: telemetry.NewBus()}
	defer d.bus.Close()
	d.env = life.New(d.bus, life.Config{
		ID: "test", Dir: dir, Function: "extensionstest", Env: scenario.Env,
		InitTimeout: scenario.InitTimeout, InvokeTimeout: scenario.InvokeTimeout, ShutdownBudget: scenario.ShutdownBudget,
		Observe: d.observe,
	})
	published := d.env.Stream.Subscribe(telemetry.SubscriptionConfig{MaxItems: 1 << 20, MaxBytes: 1 << 30})
	d.live(ctx)
	if err := d.env.Close(); err != nil {
		return nil, err
	}
	for ev, ok := published.TryNext(); ok; ev, ok = published.TryNext() {
		d.run.Published = append(d.run.Published, ev)
	}
	return &d.run, nil
}

// folder is where the extensions are.
func (s Scenario) folder() (dir string, cleanup func(), err error) {
	if s.Dir != "" {
		return s.Dir, func() {}, nil
	}
	dir, err = os.MkdirTemp("", "extensions-")
	if err != nil {
		return "", nil, err
	}
	cleanup = func() { _ = os.RemoveAll(dir) }
	for _, path := range s.Executables {
		path, err = filepath.Abs(path)
		if err == nil {
			err = os.Symlink(path, filepath.Join(dir, filepath.Base(path)))
		}
		if err != nil {
			cleanup()
			return "", nil, fmt.Errorf("place extension: %w", err)
		}
	}
	return dir, cleanup, nil
}

type driver struct {
	scenario Scenario
	bus      *telemetry.Bus
	env      *life.Environment

	mu  sync.Mutex // Observe is called from many goroutines
	run Run
}

func (d *driver) observe(a extensions.Activity) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.run.Activities = append(d.run.Activities, a)
}

func (d *driver) live(ctx context.Context) {
	failure := d.step("start", func() error { return d.env.Start(ctx) })
	if failure != nil {
		return
	}
	failure = d.step("init", func() error { return d.env.FinishInit(ctx) })
	for i := 1; i <= d.scenario.Invokes && failure == nil; i++ {
		failure = d.step(fmt.Sprintf("invoke %d", i), func() error {
			_, err := d.env.Invoke(ctx, life.Invocation{Write: d.lines(i)})
			return err
		})
	}
	reason := d.scenario.ShutdownReason
	if reason == "" {
		reason = extapi.ReasonSpindown
	}
	if failure != nil {
		reason = extapi.ReasonFailure
	}
	_ = d.step("shutdown", func() error { return d.env.Shutdown(ctx, reason) })
}

// lines is what the function writes in an invocation.
func (d *driver) lines(invocation int) func(io.Writer) {
	return func(stdout io.Writer) {
		for line := range d.scenario.LogLines {
			fmt.Fprintf(stdout, "invoke %d line %d\n", invocation, line)
		}
	}
}

// step runs a phase and records it.
func (d *driver) step(name string, phase func() error) error {
	began := time.Now()
	err := phase()
	d.run.Steps = append(d.run.Steps, Step{Name: name, Took: time.Since(began), Error: err})
	return err
}
