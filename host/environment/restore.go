package environment

import (
	"context"
	"fmt"
	"time"

	"github.com/lambent-host/lambent/host/snapshot"
	"github.com/lambent-host/lambent/telemetry"
)

// restoreTimes are what a restore phase took: all of it, and the runtime's part
// with its hook, which is what Lambda bills.
type restoreTimes struct{ phase, runtime time.Duration }

// RestoreError tells that an environment could not be restored for a reason that
// lies in the function: its after-restore hook failed (SnapStartException, 400), or
// did not end in time (SnapStartTimeoutException, 408).
type RestoreError struct {
	Timeout bool
	// Message is for the caller.
	Message string
}

// Error tells the message.
func (e *RestoreError) Error() string { return e.Message }

// restore is the restore phase, which takes the place of init: the extensions
// start, since processes are not part of a snapshot; the runtime is copied from it
// and its hook runs; every extension asks for its first event. The environment owns
// the lease. Errors: *RestoreError, and those that are breakages of the host. What
// an extension did wrong is kept in initFailure, as after an init.
func (e *environment) restore(ctx context.Context, from *snapshot.Lease) error {
	e.snapshot = from
	ctx, cancel := context.WithTimeout(ctx, e.cfg.RestoreTimeout)
	defer cancel()
	began := time.Now()
	e.stream.PublishAt(began, telemetry.TypeRestoreStart, telemetry.RestoreStart{
		FunctionName:      e.version.FunctionName,
		FunctionVersion:   e.version.Version,
		InstanceID:        e.id,
		InstanceMaxMemory: int64(e.version.MemorySize) << 20,
		RuntimeVersion:    runtimeVersion,
		RuntimeVersionARN: e.runtimeARN(),
		Tracing:           tracing(e.traceID),
	})
	err := e.restoreAll(ctx)
	e.restored.phase = time.Since(began)
	if err != nil {
		return err
	}
	e.stream.Publish(telemetry.TypeRestoreReport, telemetry.RestoreReport{
		Status:    e.initFailure.status(),
		ErrorType: e.initFailure.errorType(),
		Metrics:   telemetry.RestoreMetrics{DurationMs: telemetry.Milliseconds(e.restored.phase)},
		Tracing:   tracing(e.traceID),
	})
	e.stream.Seal()
	if e.set != nil && e.instance == nil { // not an extension's fault
		return e.initFailure.restoreError()
	}
	return nil
}

func (e *environment) restoreAll(ctx context.Context) error {
	if err := e.startExtensions(ctx); err != nil || e.initFailure != nil {
		return err
	}
	began := time.Now()
	err := e.restoreRuntime(ctx)
	e.restored.runtime = time.Since(began)
	if err != nil {
		if e.initFailure = e.faultFailure(ctx, err, e.cfg.RestoreTimeout); e.initFailure == nil {
			return &InternalError{cause: err}
		}
	}
	e.stream.Publish(telemetry.TypeRestoreRuntimeDone, telemetry.RestoreRuntimeDone{
		Status:    e.initFailure.status(),
		ErrorType: e.initFailure.errorType(),
		Tracing:   tracing(e.traceID),
	})
	if e.initFailure != nil {
		return nil
	}
	if err := e.set.FinishInit(ctx); err != nil {
		e.initFailure = e.extensionFailure(err)
	}
	return nil
}

// restoreRuntime makes the instance a copy of the snapshot and runs its hook.
func (e *environment) restoreRuntime(ctx context.Context) error {
	instance, err := e.module.Module.Restore(ctx, e.snapshot.Snapshot, e.instanceConfig())
	e.output.flush()
	if err == nil {
		e.instance = instance
	}
	return err
}

// restoreError words a failure of the runtime's restore.
func (f *failure) restoreError() *RestoreError {
	if f.kind == telemetry.StatusTimeout {
		return &RestoreError{Timeout: true, Message: "Lambda couldn't restore the snapshot within the timeout limit."}
	}
	why := f.message
	if f.document != nil {
		why = string(f.document)
	}
	return &RestoreError{Message: fmt.Sprintf("The afterRestore() runtime hook encountered an error: %s", why)}
}
