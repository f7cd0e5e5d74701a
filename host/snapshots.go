package host

import (
	"context"
	"path/filepath"

	"github.com/lambent-host/lambent/host/catalogue"
	"github.com/lambent-host/lambent/host/environment"
	"github.com/lambent-host/lambent/host/snapshot"
)

// openSnapshots opens the folder of snapshots, if any are made. Where none are, it
// is left as it is: the operator may turn them on again.
func (h *Host) openSnapshots() (err error) {
	if environment.SnapStart(h.cfg.SnapStart) == environment.SnapStartOff {
		return nil
	}
	h.snapshots, err = snapshot.Open(snapshot.Config{
		Dir: filepath.Join(h.cfg.DataDir, "snapshots"), MaxBytes: int64(h.cfg.SnapshotSpace) << 20,
		Idle: moduleIdle, Log: h.log,
	})
	return err
}

// capture has the snapshot of a version made. If the version is deleted meanwhile,
// nobody else would remove it.
func (h *Host) capture(ctx context.Context, functions *catalogue.Catalogue, v catalogue.Version) (catalogue.SnapshotState, *catalogue.Failure) {
	state, failure := h.pool.Capture(ctx, v)
	if _, err := functions.Get(v.FunctionName, v.Version); err != nil {
		h.retainSnapshots(functions)
	}
	return state, failure
}

// retainSnapshots removes what belongs to no version that there is.
func (h *Host) retainSnapshots(functions *catalogue.Catalogue) {
	if h.snapshots == nil {
		return
	}
	var keep []snapshot.Key
	functions.Present(func(_ string, versions []catalogue.Version) { keep = append(keep, h.keysOf(versions)...) })
	h.snapshots.RetainAll(keep)
}

// changed removes the snapshots of a function's versions that are gone.
func (h *Host) changed(name string, versions []catalogue.Version) {
	if h.snapshots != nil && h.snapshots.Has(name) {
		h.snapshots.Retain(name, h.keysOf(versions))
	}
}

func (h *Host) keysOf(versions []catalogue.Version) []snapshot.Key {
	keys := make([]snapshot.Key, 0, len(versions))
	for _, v := range versions {
		keys = append(keys, h.pool.SnapshotKey(v))
	}
	return keys
}
