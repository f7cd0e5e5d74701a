// Package life leads an execution environment with extensions from its init to
// its end, in the order in which a host does. All of it is real but the
// function: what a function would write and how it would end is told with each
// [Invocation], and the platform events that it would cause are published.
//
//	env := life.New(bus, cfg)
//	err := env.Start(ctx)      // the processes run and have registered
//	err = env.FinishInit(ctx)  // each has asked for its first event
//	phase, err := env.Invoke(ctx, life.Invocation{})
//	err = env.Shutdown(ctx, "spindown")
//	env.Close()
//
// Read next: invoke.go for an invocation, and package extensions, whose Set is
// what is led.
package life

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/lambent-host/lambent/extensions"
	"github.com/lambent-host/lambent/extensions/place"
	"github.com/lambent-host/lambent/telemetry"
)

// Config is what an environment needs; Dir or Opt has the extensions.
type Config struct {
	// ID tells environments apart in telemetry.
	ID string
	// Dir is searched for extensions; Opt, Tmp and Place are those of
	// [extensions.Config].
	Dir, Opt, Tmp string
	Place         place.Place
	// Function is the name of the function.
	Function string
	// Env is added to the variables that every function has, "K=V".
	Env []string
	// InitTimeout, InvokeTimeout and ShutdownBudget bound the phases; 0 means 10 s,
	// 3 s and 2 s, Lambda's defaults.
	InitTimeout, InvokeTimeout, ShutdownBudget time.Duration

	// Observe, ObserveDelivery, Settled and Tap are those of [extensions.Config].
	Observe         func(extensions.Activity)
	ObserveDelivery func(extensions.Delivery)
	Settled         func(extensions.Account)
	Tap             func(http.Handler) http.Handler
}

func (c Config) withDefaults() Config {
	for value, normal := range map[*time.Duration]time.Duration{
		&c.InitTimeout: 10 * time.Second, &c.InvokeTimeout: 3 * time.Second, &c.ShutdownBudget: 2 * time.Second,
	} {
		if *value == 0 {
			*value = normal
		}
	}
	return c
}

// accountID is nobody's account.
const accountID = "000000000000"

// arn is the function's.
func (c Config) arn() string {
	return "arn:aws:lambda:us-east-1:" + accountID + ":function:" + c.Function
}

// variables are those of a function, and what is added.
func (c Config) variables() []string {
	return slices.Concat([]string{
		"AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1",
		"AWS_LAMBDA_FUNCTION_NAME=" + c.Function, "AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=128", "AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
		"TZ=:UTC", "LANG=en_US.UTF-8", "PATH=/usr/local/bin:/usr/bin:/bin:/opt/bin",
	}, c.Env)
}

// Environment is one execution environment. One goroutine leads it.
type Environment struct {
	// Stream carries its events.
	Stream *telemetry.Stream

	cfg    Config
	set    *extensions.Set
	began  time.Time
	initBy time.Time
	count  int // of invocations
}

// New opens the stream of an environment; nothing runs yet.
func New(bus *telemetry.Bus, cfg Config) *Environment {
	cfg = cfg.withDefaults()
	return &Environment{cfg: cfg, Stream: bus.Open(telemetry.Source{
		EnvironmentID: cfg.ID, FunctionName: cfg.Function, FunctionVersion: "$LATEST", FunctionARN: cfg.arn(),
	})}
}

// Start begins the init phase: it returns when every extension has registered,
// with the errors of [extensions.Start].
func (e *Environment) Start(ctx context.Context) (err error) {
	e.began = time.Now()
	e.initBy = e.began.Add(e.cfg.InitTimeout)
	ctx, cancel := context.WithDeadline(ctx, e.initBy)
	defer cancel()
	e.Stream.PublishAt(e.began, telemetry.TypeInitStart, telemetry.InitStart{
		InitializationType: telemetry.OnDemand, Phase: telemetry.PhaseInit, FunctionName: e.cfg.Function, FunctionVersion: "$LATEST",
	})
	e.set, err = extensions.Start(ctx, extensions.Config{
		Dir: e.cfg.Dir, Opt: e.cfg.Opt, Tmp: e.cfg.Tmp, Place: e.cfg.Place,
		Function: extensions.Function{Name: e.cfg.Function, Version: "$LATEST", Handler: "main", AccountID: accountID, ARN: e.cfg.arn()},
		Env:      e.cfg.variables(),
		Stream:   e.Stream,
		Log:      zerolog.Nop(),
		Observe:  e.cfg.Observe, ObserveDelivery: e.cfg.ObserveDelivery, Settled: e.cfg.Settled, Tap: e.cfg.Tap,
	})
	return err
}

// FinishInit ends the init phase, with the errors of [extensions.Set.FinishInit].
func (e *Environment) FinishInit(ctx context.Context) error {
	ctx, cancel := context.WithDeadline(ctx, e.initBy)
	defer cancel()
	e.Stream.Publish(telemetry.TypeInitRuntimeDone, telemetry.InitRuntimeDone{
		InitializationType: telemetry.OnDemand, Phase: telemetry.PhaseInit, Status: telemetry.StatusSuccess,
	})
	err := e.set.FinishInit(ctx)
	e.Stream.Publish(telemetry.TypeInitReport, telemetry.InitReport{
		InitializationType: telemetry.OnDemand, Phase: telemetry.PhaseInit, Status: telemetry.StatusSuccess,
		Metrics: telemetry.InitMetrics{DurationMs: telemetry.Milliseconds(time.Since(e.began))},
	})
	e.Stream.Seal()
	return err
}

// Len is how many extensions there are; 0 before Start.
func (e *Environment) Len() int {
	if e.set == nil {
		return 0
	}
	return e.set.Len()
}

// Shutdown ends the extensions as the host does, for a reason of Lambda's. It
// does nothing where none were started.
func (e *Environment) Shutdown(ctx context.Context, reason string) error {
	if e.set == nil {
		return nil
	}
	return e.set.Shutdown(ctx, reason, e.cfg.ShutdownBudget)
}

// Close kills what still runs and ends the stream.
func (e *Environment) Close() (err error) {
	if e.set != nil {
		err = e.set.Shutdown(context.Background(), "failure", 0)
	}
	e.Stream.Close()
	return err
}

// Died is the extension's failure behind an error of a phase, or nil: then the
// phase ran out of time.
func Died(err error) *extensions.ExtensionError {
	var failed *extensions.ExtensionError
	if errors.As(err, &failed) {
		return failed
	}
	return nil
}
