package environment

import (
	"context"
	"errors"
	"time"

	"github.com/lambent-host/lambent/extensions"
	"github.com/lambent-host/lambent/sandbox"
	"github.com/lambent-host/lambent/telemetry"
)

// initialize is the init phase: the extensions start and register, the runtime
// starts, every extension asks for its first event. A failure of the function
// or of an extension is kept in initFailure, for the invocation that this
// environment was made for to meet; an error is a breakage of the host.
func (e *environment) initialize(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, e.cfg.InitTimeout)
	defer cancel()
	began := time.Now()
	e.initStart(began)
	err := e.startAll(ctx)
	e.initDuration = time.Since(began)
	if err != nil {
		return err
	}
	e.initReport()
	return nil
}

func (e *environment) initStart(began time.Time) {
	e.stream.PublishAt(began, telemetry.TypeInitStart, telemetry.InitStart{
		InitializationType: e.kind,
		Phase:              telemetry.PhaseInit,
		FunctionName:       e.version.FunctionName,
		FunctionVersion:    e.version.Version,
		InstanceID:         e.id,
		InstanceMaxMemory:  int64(e.version.MemorySize) << 20,
	})
}

// initReport ends the init phase in telemetry.
func (e *environment) initReport() {
	e.stream.Publish(telemetry.TypeInitReport, telemetry.InitReport{
		InitializationType: e.kind,
		Phase:              telemetry.PhaseInit,
		Status:             e.initFailure.status(),
		ErrorType:          e.initFailure.errorType(),
		Metrics:            telemetry.InitMetrics{DurationMs: telemetry.Milliseconds(e.initDuration)},
	})
	e.stream.Seal()
}

func (e *environment) startAll(ctx context.Context) error {
	if err := e.startExtensions(ctx); err != nil {
		return err
	}
	if e.initFailure != nil {
		return nil
	}
	if err := e.startRuntime(ctx, telemetry.PhaseInit); err != nil {
		return err
	}
	if e.initFailure != nil {
		return nil
	}
	if err := e.set.FinishInit(ctx); err != nil {
		e.initFailure = extensionFailure(err)
	}
	return nil
}

func (e *environment) startExtensions(ctx context.Context) error {
	set, err := extensions.Start(ctx, extensions.Config{
		Dir: e.cfg.ExtensionsDir,
		Function: extensions.Function{
			Name:      e.version.FunctionName,
			Version:   e.version.Version,
			Handler:   e.version.Handler,
			AccountID: e.cfg.AccountID,
			ARN:       e.version.FunctionARN,
		},
		Env:    e.variables(),
		Stream: e.stream,
		Log:    e.log,
	})
	var failed *extensions.ExtensionError
	switch {
	case errors.As(err, &failed), errors.Is(err, context.DeadlineExceeded):
		e.initFailure = extensionFailure(err)
		return nil
	case err != nil:
		return &InternalError{cause: err}
	}
	e.set = set
	return nil
}

// startRuntime instantiates the module and runs its init under the deadline of
// ctx; phase is init, or invoke when an invocation repeats a failed init.
func (e *environment) startRuntime(ctx context.Context, phase telemetry.Phase) error {
	err := e.initRuntime(ctx)
	e.initFailure = nil
	if err != nil {
		if e.initFailure = e.faultFailure(err, e.cfg.InitTimeout); e.initFailure == nil {
			return &InternalError{cause: err}
		}
		e.dropInstance(ctx)
	}
	e.initRuntimeDone(phase)
	return nil
}

func (e *environment) initRuntimeDone(phase telemetry.Phase) {
	e.stream.Publish(telemetry.TypeInitRuntimeDone, telemetry.InitRuntimeDone{
		InitializationType: e.kind,
		Phase:              phase,
		Status:             e.initFailure.status(),
		ErrorType:          e.initFailure.errorType(),
	})
}

// initRuntime instantiates the module and runs its init.
func (e *environment) initRuntime(ctx context.Context) error {
	instance, err := e.module.Module.Instantiate(ctx, e.instanceConfig())
	if err != nil {
		return err
	}
	e.instance = instance
	defer e.output.flush()
	return instance.Init(ctx)
}

// instanceConfig is what an instance of this environment gets, and is restored with.
func (e *environment) instanceConfig() sandbox.InstanceConfig {
	return sandbox.InstanceConfig{
		Env:    e.variables(),
		Args:   []string{e.version.Handler},
		Stdout: e.output.stdout,
		Stderr: e.output.stderr,
		Task:   e.module.Files,
		TmpDir: e.tmp, TmpBytes: int64(e.version.EphemeralStorage) << 20,
		CPUShare: float64(e.version.MemorySize) / memoryPerCPU, CPUQuota: e.cfg.CPUQuota,
	}
}
