// Package environment is one execution environment's life: init, or restore from a
// snapshot, invoke, freeze, shutdown. An environment holds one instance of the function's module,
// the extension processes that belong to it, and its stream of telemetry. It
// runs one invocation at a time and is used again while it is warm, so that a
// function's globals persist as they do on Lambda.
//
// [Pool] hands environments out and takes them back; its Lease is where an
// invocation comes in. It also makes the snapshots that environments are restored
// from (capture.go, restore.go), and makes them new after each invocation of a
// function that is isolated by request (isolation.go). Read next: package sandbox for the instance, package
// extensions for the processes.
package environment

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/rs/zerolog"

	"github.com/lambent-host/lambent/extensions"
	"github.com/lambent-host/lambent/host/catalogue"
	"github.com/lambent-host/lambent/host/publish"
	"github.com/lambent-host/lambent/host/snapshot"
	"github.com/lambent-host/lambent/sandbox"
	"github.com/lambent-host/lambent/telemetry"
)

// Limits of the phases, from the Lambda developer guide's execution environment
// lifecycle.
const (
	// InitTimeout bounds the init phase of an on-demand function.
	InitTimeout = 10 * time.Second
	// SnapshotInitTimeout bounds the init that a snapshot is taken of, or the
	// function's own timeout does if that is longer.
	SnapshotInitTimeout = 130 * time.Second
	// RestoreTimeout bounds the restore phase.
	RestoreTimeout = 10 * time.Second
	// ShutdownBudget is what external extensions have to end themselves.
	ShutdownBudget = 2 * time.Second
)

// memoryPerCPU is the MemorySize, in MB, at which a function has one whole CPU
// (Lambda developer guide, "Configure Lambda function memory").
const memoryPerCPU = 1769

// Reasons of a SHUTDOWN event, as the Extensions API sends them.
const (
	reasonSpindown = "spindown"
	reasonTimeout  = "timeout"
	reasonFailure  = "failure"
)

// environment is one execution environment. It is used by one goroutine at a
// time: the pool hands it out and takes it back.
type environment struct {
	id      string // 32 hex digits
	kind    telemetry.InitializationType
	born    time.Time
	version catalogue.Version
	cfg     *Config
	log     zerolog.Logger

	module   *publish.Lease
	instance *sandbox.Instance // nil while there is no runtime
	set      *extensions.Set   // nil until the processes have started
	stream   *telemetry.Stream
	output   *output
	tmp      string
	opt      *opt

	// snapshot is what the instance was restored from; nil: it ran its init.
	snapshot  *snapshot.Lease
	isolation catalogue.Isolation

	traceID      string        // of the invocation that caused the init or restore
	initDuration time.Duration // of the init phase, told once in the first report
	restored     restoreTimes  // of the restore phase, likewise
	initFailure  *failure      // why the init phase failed; the first invocation tries again
	idleSince    time.Time
	invoked      bool
}

// InternalError is a breakage of the host: the cause is for its log and not for
// the caller.
type InternalError struct{ cause error }

// Error tells the cause, for logs.
func (e *InternalError) Error() string { return "execution environment: " + e.cause.Error() }

// Unwrap returns the cause.
func (e *InternalError) Unwrap() error { return e.cause }

// newEnvironment makes the environment's own things: stream, output, /tmp. No
// process runs and no guest code. kind is how its runtime will come to be.
func newEnvironment(cfg *Config, v catalogue.Version, module *publish.Lease, kind telemetry.InitializationType) (*environment, error) {
	layers, err := openOpt(cfg.Layers, v.Layers)
	if err != nil {
		return nil, &InternalError{cause: err}
	}
	tmp, err := os.MkdirTemp(cfg.TmpRoot, "environment-")
	if err != nil {
		layers.close()
		return nil, &InternalError{cause: err}
	}
	id := cfg.NewID()
	e := &environment{
		id:      id,
		kind:    kind,
		born:    time.Now(),
		version: v,
		cfg:     cfg,
		log:     cfg.Log.With().Str("function", v.FunctionName).Str("version", v.Version).Str("environment", id).Logger(),
		module:  module,
		tmp:     tmp,
		opt:     layers,

		isolation: v.Isolation(cfg.Isolation),
	}
	e.openStream()
	return e, nil
}

// openStream begins the telemetry of an init, or of a restore.
func (e *environment) openStream() {
	e.stream = e.cfg.Bus.Open(telemetry.Source{
		EnvironmentID:   e.id,
		FunctionName:    e.version.FunctionName,
		FunctionVersion: e.version.Version,
		FunctionARN:     e.version.FunctionARN,
		LogGroup:        e.version.Logging.Group,
		LogStream:       e.logStream(),
	})
	e.output = newOutput(e.stream, e.version.Logging)
}

// endReason is what its extensions are told when it ends between two invocations.
func (e *environment) endReason() string {
	if e.broken() {
		return reasonFailure
	}
	return reasonSpindown
}

// broken tells that an extension has ended since the last invocation, so that the
// next one needs another environment.
func (e *environment) broken() bool { return e.set != nil && e.set.Err() != nil }

// shutdown ends the environment: the runtime first, as Lambda does, then the
// extensions with their budget, last what they stood on. It is called once.
func (e *environment) shutdown(ctx context.Context, reason string) {
	e.dropInstance(ctx)
	var errs []error
	if e.set != nil {
		errs = append(errs, e.set.Shutdown(ctx, reason, ShutdownBudget))
	}
	e.stream.Close()
	if e.snapshot != nil {
		e.snapshot.Release()
	}
	e.module.Release()
	e.opt.close()
	errs = append(errs, os.RemoveAll(e.tmp))
	if err := errors.Join(errs...); err != nil {
		e.log.Warn().Err(err).Str("reason", reason).Msg("environment did not end cleanly")
		return
	}
	e.log.Debug().Str("reason", reason).Msg("environment ended")
}

// dropInstance closes the instance, if there is one.
func (e *environment) dropInstance(ctx context.Context) {
	if e.instance == nil {
		return
	}
	if err := e.instance.Close(ctx); err != nil {
		e.log.Warn().Err(err).Msg("instance did not close cleanly")
	}
	e.instance = nil
}

// maxMemoryMB is the most linear memory the instance had, in MB rounded up.
func (e *environment) maxMemoryMB() int {
	if e.instance == nil {
		return 0
	}
	const mb = 1 << 20
	return int((e.instance.MemoryBytes() + mb - 1) / mb)
}

// cpuTime is what the instance has used of the CPU so far.
func (e *environment) cpuTime() time.Duration {
	if e.instance == nil {
		return 0
	}
	return e.instance.CPUTime()
}

// gated tells whether an extension has to be waited for after an invocation.
func (e *environment) gated() bool { return e.set != nil && e.set.Gates() }

// observers is how many extensions belong to the environment.
func (e *environment) observers() int {
	if e.set == nil {
		return 0
	}
	return e.set.Len()
}
