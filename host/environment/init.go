package environment

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lambent-host/lambent/abi"
	"github.com/lambent-host/lambent/extensions"
	"github.com/lambent-host/lambent/sandbox"
	"github.com/lambent-host/lambent/telemetry"
)

// initialize is the init phase: the extensions start and register, the runtime
// starts, every extension asks for its first event. A failure of the function
// or of an extension is kept in initFailure, and nothing is left running then: the
// invocation that this environment was made for tries again. An error is a
// breakage of the host.
func (e *environment) initialize(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, e.cfg.InitTimeout)
	defer cancel()
	if err := e.initPhase(limited, telemetry.PhaseInit); err != nil {
		return err
	}
	if e.initFailure != nil {
		e.reset(ctx)
	}
	return nil
}

// initPhase is one init under the deadline of ctx; phase is init, or invoke when an
// invocation repeats one that failed, as on Lambda.
func (e *environment) initPhase(ctx context.Context, phase telemetry.Phase) error {
	began := time.Now()
	e.initFailure = nil
	e.initStart(began, phase)
	err := e.startAll(ctx, phase)
	e.initDuration = time.Since(began)
	if err != nil {
		return err
	}
	e.initReport(phase)
	return nil
}

// reset ends what an init that failed has left, for another to begin: the instance
// and the extensions. What was published is not replayed to the next ones.
func (e *environment) reset(ctx context.Context) {
	e.dropInstance(ctx)
	if e.set != nil {
		if err := e.set.Shutdown(ctx, e.initFailure.reason(), ShutdownBudget); err != nil {
			e.log.Warn().Err(err).Msg("extensions did not end cleanly")
		}
		e.set = nil
	}
	e.stream.Close()
	e.openStream()
}

func (e *environment) initStart(began time.Time, phase telemetry.Phase) {
	e.stream.PublishAt(began, telemetry.TypeInitStart, telemetry.InitStart{
		InitializationType: e.kind,
		Phase:              phase,
		FunctionName:       e.version.FunctionName,
		FunctionVersion:    e.version.Version,
		InstanceID:         e.id,
		InstanceMaxMemory:  int64(e.version.MemorySize) << 20,
		RuntimeVersion:     runtimeVersion,
		RuntimeVersionARN:  e.runtimeARN(),
		Tracing:            tracing(e.traceID),
	})
}

// initReport ends the init phase in telemetry.
func (e *environment) initReport(phase telemetry.Phase) {
	e.stream.Publish(telemetry.TypeInitReport, telemetry.InitReport{
		InitializationType: e.kind,
		Phase:              phase,
		Status:             e.initFailure.status(),
		ErrorType:          e.initFailure.errorType(),
		Metrics:            telemetry.InitMetrics{DurationMs: telemetry.Milliseconds(e.initDuration)},
		Tracing:            tracing(e.traceID),
	})
	e.stream.Seal()
}

func (e *environment) startAll(ctx context.Context, phase telemetry.Phase) error {
	if err := e.startExtensions(ctx); err != nil {
		return err
	}
	if e.initFailure != nil {
		return nil
	}
	if err := e.startRuntime(ctx, phase); err != nil {
		return err
	}
	if e.initFailure != nil {
		return nil
	}
	if err := e.set.FinishInit(ctx); err != nil {
		e.initFailure = e.extensionFailure(err)
	}
	return nil
}

// extensionFailure describes an extension that failed an init or a restore. Which
// one was late is for the operator: Lambda tells of a timeout and no more.
func (e *environment) extensionFailure(err error) *failure {
	e.log.Warn().Err(err).Msg("an extension failed the init phase")
	return extensionFailure(err, e.cfg.InitTimeout)
}

func (e *environment) startExtensions(ctx context.Context) error {
	set, err := extensions.Start(ctx, extensions.Config{
		Dir: e.cfg.ExtensionsDir, Opt: e.opt.dir, Tmp: e.tmp, Place: e.cfg.Place,
		Function: extensions.Function{
			Name:      e.version.FunctionName,
			Version:   e.version.Version,
			Handler:   e.version.Handler,
			AccountID: e.cfg.AccountID,
			ARN:       e.version.FunctionARN,
		},
		Env:     e.variables(),
		Stream:  e.stream,
		Log:     e.log,
		Observe: e.cfg.ExtensionActivity, ObserveDelivery: e.cfg.ExtensionDelivery, Settled: e.cfg.TelemetrySettled,
	})
	var failed *extensions.ExtensionError
	switch {
	case errors.As(err, &failed), errors.Is(err, context.DeadlineExceeded):
		e.initFailure = e.extensionFailure(err)
		return nil
	case err != nil:
		return &InternalError{cause: err}
	}
	e.set = set
	return nil
}

// startRuntime instantiates the module and runs its init under the deadline of
// ctx, or until an extension fails.
func (e *environment) startRuntime(ctx context.Context, phase telemetry.Phase) error {
	ctx, release := e.set.Bind(ctx)
	defer release()
	if err := e.initRuntime(ctx); err != nil {
		if e.initFailure = e.faultFailure(ctx, err, e.cfg.InitTimeout); e.initFailure == nil {
			return &InternalError{cause: err}
		}
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
		Tracing:            tracing(e.traceID),
	})
}

// runtimeVersion names the one runtime that there is, by the version of the contract
// between it and the guest.
var runtimeVersion = fmt.Sprintf("lambent:abi%d", abi.Version)

// runtimeARN is the one that the API tells of every function.
func (e *environment) runtimeARN() string {
	return "arn:aws:lambda:" + e.cfg.Region + "::runtime:lambent"
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
		Opt:    e.opt.files(),
		TmpDir: e.tmp, TmpBytes: int64(e.version.EphemeralStorage) << 20,
		CPUShare: float64(e.version.MemorySize) / memoryPerCPU, CPUQuota: e.cfg.CPUQuota,
	}
}
