// Package extensionstest drives an extension, in any language, through the life
// of an execution environment and records what it did: the beginning of a
// conformance kit. Everything is real but the function: the extension is a
// process, the APIs are served over HTTP, and the platform events that a
// function would cause are published around it.
//
//	run, err := extensionstest.Drive(ctx, extensionstest.Scenario{Executables: []string{path}, Invokes: 3})
//	// run.Calls("my-extension") tells what it did, in order; run.Steps how each phase ended
//
// Read next: package extensions, which is what is driven.
package extensionstest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/lambent-host/lambent/extensions"
	"github.com/lambent-host/lambent/extensions/extapi"
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
	d := &driver{scenario: scenario.withDefaults(), bus: telemetry.NewBus()}
	defer d.bus.Close()
	d.stream = d.bus.Open(telemetry.Source{EnvironmentID: "test", FunctionName: functionName, FunctionVersion: "$LATEST", FunctionARN: functionARN})
	published := d.stream.Subscribe(telemetry.SubscriptionConfig{MaxItems: 1 << 20, MaxBytes: 1 << 30})
	d.live(ctx, dir)
	d.stream.Close()
	for ev, ok := published.TryNext(); ok; ev, ok = published.TryNext() {
		d.run.Published = append(d.run.Published, ev)
	}
	return &d.run, nil
}

// The function that the extensions are told of.
const (
	functionName = "extensionstest"
	functionARN  = "arn:aws:lambda:us-east-1:000000000000:function:extensionstest"
)

func (s Scenario) withDefaults() Scenario {
	for value, normal := range map[*time.Duration]time.Duration{
		&s.InitTimeout: 10 * time.Second, &s.InvokeTimeout: 3 * time.Second, &s.ShutdownBudget: 2 * time.Second,
	} {
		if *value == 0 {
			*value = normal
		}
	}
	if s.ShutdownReason == "" {
		s.ShutdownReason = extapi.ReasonSpindown
	}
	return s
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
	stream   *telemetry.Stream
	set      *extensions.Set

	mu  sync.Mutex // Observe is called from many goroutines
	run Run
}

func (d *driver) observe(a extensions.Activity) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.run.Activities = append(d.run.Activities, a)
}

func (d *driver) live(ctx context.Context, dir string) {
	failure := d.initialize(ctx, dir)
	for i := 1; i <= d.scenario.Invokes && failure == nil; i++ {
		failure = d.invoke(ctx, i)
	}
	if d.set == nil {
		return
	}
	reason := d.scenario.ShutdownReason
	if failure != nil {
		reason = extapi.ReasonFailure
	}
	_ = d.step("shutdown", func() error { return d.set.Shutdown(ctx, reason, d.scenario.ShutdownBudget) })
}

// step runs a phase and records it.
func (d *driver) step(name string, phase func() error) error {
	began := time.Now()
	err := phase()
	d.run.Steps = append(d.run.Steps, Step{Name: name, Took: time.Since(began), Error: err})
	return err
}

func (d *driver) initialize(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, d.scenario.InitTimeout)
	defer cancel()
	began := time.Now()
	d.stream.Publish(telemetry.TypeInitStart, telemetry.InitStart{
		InitializationType: telemetry.OnDemand, Phase: telemetry.PhaseInit, FunctionName: functionName, FunctionVersion: "$LATEST",
	})
	err := d.step("start", func() (err error) {
		d.set, err = extensions.Start(ctx, extensions.Config{
			Dir:      dir,
			Function: extensions.Function{Name: functionName, Version: "$LATEST", Handler: "main", AccountID: "000000000000", ARN: functionARN},
			Env:      slices.Concat([]string{"PATH=" + os.Getenv("PATH"), "AWS_REGION=us-east-1"}, d.scenario.Env),
			Stream:   d.stream,
			Log:      zerolog.Nop(),
			Observe:  d.observe,
		})
		return err
	})
	if err != nil {
		return err
	}
	d.stream.Publish(telemetry.TypeInitRuntimeDone, telemetry.InitRuntimeDone{
		InitializationType: telemetry.OnDemand, Phase: telemetry.PhaseInit, Status: telemetry.StatusSuccess,
	})
	err = d.step("init", func() error { return d.set.FinishInit(ctx) })
	d.stream.Publish(telemetry.TypeInitReport, telemetry.InitReport{
		InitializationType: telemetry.OnDemand, Phase: telemetry.PhaseInit,
		Metrics: telemetry.InitMetrics{DurationMs: telemetry.Milliseconds(time.Since(began))},
	})
	d.stream.Seal()
	return err
}

func (d *driver) invoke(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, d.scenario.InvokeTimeout)
	defer cancel()
	began := time.Now()
	deadline, _ := ctx.Deadline()
	id := fmt.Sprintf("00000000-0000-4000-8000-%012d", n)
	tracing := &telemetry.Tracing{Type: telemetry.TracingType, Value: "Root=1-00000000-000000000000000000000000"}
	d.stream.Publish(telemetry.TypeStart, telemetry.Start{RequestID: id, Version: "$LATEST", Tracing: tracing})
	d.set.Invoke(extensions.InvokeEvent{RequestID: id, FunctionARN: functionARN, TraceID: tracing.Value, Deadline: deadline})
	for line := range d.scenario.LogLines {
		d.stream.Publish(telemetry.TypeFunction, fmt.Sprintf("invoke %d line %d", n, line))
	}
	took := telemetry.Milliseconds(time.Since(began))
	d.stream.Publish(telemetry.TypeRuntimeDone, telemetry.RuntimeDone{
		RequestID: id, Status: telemetry.StatusSuccess, Tracing: tracing,
		Metrics: &telemetry.RuntimeDoneMetrics{DurationMs: took, ProducedBytes: 2},
	})
	err := d.step(fmt.Sprintf("invoke %d", n), func() error { return d.set.AwaitIdle(ctx) })
	d.stream.Publish(telemetry.TypeReport, telemetry.Report{
		RequestID: id, Status: telemetry.StatusSuccess, Tracing: tracing,
		Metrics: telemetry.ReportMetrics{DurationMs: took, BilledDurationMs: 1, MemorySizeMB: 128, MaxMemoryUsedMB: 16},
	})
	return err
}
