package environment

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/lambent-host/lambent/host/catalogue"
	"github.com/lambent-host/lambent/host/publish"
	"github.com/lambent-host/lambent/host/snapshot"
	"github.com/lambent-host/lambent/sandbox"
	"github.com/lambent-host/lambent/telemetry"
)

// SnapStart says of which versions a host makes snapshots.
type SnapStart string

// The values of SnapStart.
const (
	// SnapStartAPI: of those that ask for it by the API, as Lambda.
	SnapStartAPI SnapStart = "api"
	// SnapStartAll: of all, $LATEST included.
	SnapStartAll SnapStart = "all"
	// SnapStartOff: of none. Functions may ask, and run without.
	SnapStartOff SnapStart = "off"
)

// Valid tells whether there is such a value.
func (s SnapStart) Valid() bool { return s == SnapStartAPI || s == SnapStartAll || s == SnapStartOff }

// unasked tells whether the host makes snapshots of v of its own accord: because it
// is told to, or because isolation by request stands on them.
func (p *Pool) unasked(v catalogue.Version) bool {
	return p.cfg.SnapStart == SnapStartAll || v.Isolation(p.cfg.Isolation) == catalogue.IsolationRequest
}

// restores tells whether environments of v are restored from a snapshot.
func (p *Pool) restores(v catalogue.Version) bool {
	if p.cfg.SnapStart == SnapStartOff || v.Snapshot.Refused != "" {
		return false
	}
	return p.unasked(v) || v.AsksForSnapshot() && v.Snapshot.Ready
}

// Capture makes the snapshot of a version that is being published, if it is to have
// one, and tells what became of it. A version that asks for a snapshot fails with
// its init; where the host makes one unasked, invocations will meet the failure as
// they would without. Its time is bounded by Lambda's limit for such an init.
func (p *Pool) Capture(ctx context.Context, v catalogue.Version) (catalogue.SnapshotState, *catalogue.Failure) {
	asks := v.AsksForSnapshot()
	if p.cfg.SnapStart == SnapStartOff || !asks && !p.unasked(v) {
		return catalogue.SnapshotState{}, nil
	}
	log := p.cfg.Log.With().Str("function", v.FunctionName).Str("version", v.Version).Logger()
	lease, err := p.snapshotOf(ctx, v)
	var refused *sandbox.NotCapturableError
	var failed *captureError
	switch {
	case err == nil:
		log.Info().Int64("bytes", lease.Snapshot.Size()).Msg("snapshot made")
		lease.Release()
		return catalogue.SnapshotState{Ready: true}, nil
	case errors.As(err, &refused):
		log.Warn().Str("reason", refused.Reason).Msg("no snapshot can be made of the function: each environment runs its init")
		return catalogue.SnapshotState{Refused: refused.Reason}, nil
	case !asks:
		log.Warn().Err(err).Msg("no snapshot was made of the function")
		return catalogue.SnapshotState{}, nil
	case errors.As(err, &failed):
		log.Warn().Err(err).Msg("the function's init failed while its snapshot was made")
		return catalogue.SnapshotState{}, failed.failure.published()
	}
	log.Error().Err(err).Msg("the host could not make a snapshot")
	return catalogue.SnapshotState{}, &catalogue.Failure{Code: "InternalError", Reason: "The host could not make a snapshot of the function. Publish it again."}
}

// captureError is an init, or a before-snapshot hook, that failed by the function's
// own fault.
type captureError struct{ failure *failure }

func (e *captureError) Error() string {
	return fmt.Sprintf("init of the snapshot: %s %s: %s", e.failure.kind, e.failure.typ, e.failure.reasonText())
}

// published words the failure as the state of a version; the codes are those of the
// API model's StateReasonCode.
func (f *failure) published() *catalogue.Failure {
	code := "FunctionError.RuntimeInitError"
	switch {
	case f.kind == telemetry.StatusTimeout:
		code = "FunctionError.InitTimeout"
	case f.typ == errorTypeMemory:
		code = "FunctionError.InitResourceExhausted"
	}
	return &catalogue.Failure{Code: code, Reason: "The function's init failed: " + f.reasonText()}
}

// reasonText is the failure in one line: the guest's own document if it left one.
func (f *failure) reasonText() string {
	if f.document != nil {
		return string(f.document)
	}
	return f.message
}

// SnapshotKey names the snapshot of v: it holds whatever init can see. Its one
// argument, the handler, is among the variables.
func (p *Pool) SnapshotKey(v catalogue.Version) snapshot.Key {
	parts := []string{v.CodeDigest, strconv.Itoa(v.MemorySize), strconv.Itoa(v.EphemeralStorage)}
	parts = append(parts, v.Layers...) // no variable looks like an ARN
	return snapshot.KeyOf(v.FunctionName, append(parts, variables(&p.cfg, v, telemetry.SnapStart, "")...)...)
}

// snapshotOf returns the snapshot of v, which is made if there is none.
func (p *Pool) snapshotOf(ctx context.Context, v catalogue.Version) (*snapshot.Lease, error) {
	module, err := p.cfg.Modules.Lease(ctx, v)
	if err != nil {
		return nil, err
	}
	defer module.Release()
	key := p.SnapshotKey(v)
	lease, err := p.cfg.Snapshots.Obtain(ctx, key, module.Module, func(ctx context.Context) (*sandbox.Snapshot, error) {
		return p.take(ctx, v, module)
	})
	p.noteBroken(key, err)
	return lease, err
}

// captureRest is how long an environment does not try to have a snapshot made whose
// init has just failed: it has its own init to run, which will tell the caller.
const captureRest = time.Minute

func (p *Pool) noteBroken(k snapshot.Key, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var failed *captureError
	if errors.As(err, &failed) {
		p.broken[k] = time.Now()
	} else if err == nil {
		delete(p.broken, k)
	}
}

// justBroken tells whether an init to be captured has failed a short while ago.
func (p *Pool) justBroken(k snapshot.Key) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	since, found := p.broken[k]
	return found && time.Since(since) < captureRest
}

// forgetBroken drops what does not matter any more.
func (p *Pool) forgetBroken() {
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.DeleteFunc(p.broken, func(_ snapshot.Key, since time.Time) bool { return time.Since(since) >= captureRest })
}

// take runs init in an environment of its own, without extensions, and captures
// the instance. Errors: *captureError, *sandbox.NotCapturableError, and breakages
// of the host.
func (p *Pool) take(ctx context.Context, v catalogue.Version, module *publish.Lease) (*sandbox.Snapshot, error) {
	done, err := p.turns.take(ctx, v.FunctionName)
	if err != nil {
		return nil, err
	}
	defer done()
	borrowed := *module
	borrowed.Release = func() {} // the caller's to release
	e, err := newEnvironment(&p.cfg, v, &borrowed, telemetry.SnapStart)
	if err != nil {
		return nil, err
	}
	defer e.shutdown(context.WithoutCancel(ctx), reasonSpindown)
	limit := p.cfg.InitTimeout // as without a snapshot, where nobody asked for one
	if v.AsksForSnapshot() {
		limit = max(p.cfg.SnapshotInitTimeout, e.timeout())
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	began := time.Now()
	e.initStart(began, telemetry.PhaseInit)
	taken, err := e.initAndCapture(ctx)
	e.initDuration = time.Since(began)
	var refused *sandbox.NotCapturableError
	if err != nil && !errors.As(err, &refused) {
		if e.initFailure = e.faultFailure(ctx, err, limit); e.initFailure == nil {
			return nil, err
		}
		err = &captureError{e.initFailure}
	}
	e.initRuntimeDone(telemetry.PhaseInit)
	e.initReport(telemetry.PhaseInit)
	return taken, err
}

// initAndCapture runs init and the before-snapshot hook.
func (e *environment) initAndCapture(ctx context.Context) (*sandbox.Snapshot, error) {
	if err := e.initRuntime(ctx); err != nil {
		return nil, err
	}
	defer e.output.flush()
	return e.instance.Snapshot(ctx)
}
