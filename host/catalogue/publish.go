package catalogue

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// PublishVersion makes an immutable version of $LATEST. When nothing has
// changed since the last one was published, and it still exists and has not
// failed, that one is returned. Numbers are not used again after a version is deleted.
//
// Errors: *NotFoundError, *PreconditionError, *InvalidError for another
// CodeSHA256, *ConflictError while $LATEST is being updated or cannot run.
func (c *Catalogue) PublishVersion(ctx context.Context, name string, in PublishInput) (Version, error) {
	var result Version
	err := c.editExisting(ctx, name, func(e *edit) error {
		l := &e.f.latest
		if err := checkRevision(in.RevisionID, l.RevisionID); err != nil {
			return err
		}
		if in.CodeSHA256 != "" && in.CodeSHA256 != l.CodeSHA256 {
			return invalid("CodeSha256", "CodeSHA256 (%s) is different from current CodeSHA256 in $LATEST (%s). Please try again with the CodeSHA256 in $LATEST.", in.CodeSHA256, l.CodeSHA256)
		}
		if err := publishable(l); err != nil {
			return err
		}
		result = e.publish(in.Description)
		return nil
	})
	return result.clone(), err
}

func publishable(l *Version) error {
	switch {
	case l.unsettled():
		return &ConflictError{"The operation cannot be performed at this time. An update is in progress for resource: " + l.FunctionARN}
	case l.State != StateActive:
		return &ConflictError{"The operation cannot be performed at this time. The function is currently in the following state: " + l.State}
	case l.LastUpdateStatus == UpdateFailed:
		return &ConflictError{fmt.Sprintf("The operation cannot be performed at this time. The last update failed for resource: %s (%s)", l.FunctionARN, l.LastUpdateStatusReason)}
	}
	return nil
}

// publish adds a version of $LATEST, or finds the one that is the same. A
// version of code that is not settled, or that needs a snapshot, waits for its
// own Settle.
func (e *edit) publish(description string) Version {
	source := fingerprint(&e.f.latest)
	if source == e.f.source {
		// One that failed to init is not a version to be content with.
		if last := e.f.version(strconv.Itoa(e.f.next - 1)); last != nil && last.State != StateFailed {
			return *last
		}
	}
	v := e.f.latest.clone()
	v.Version = strconv.Itoa(e.f.next)
	v.RevisionID = e.c.cfg.NewRevision()
	v.LastModified = e.c.cfg.Now()
	if description != "" {
		v.Description = description
	}
	v.Snapshot = SnapshotState{} // each version has its own
	if v.unsettled() || v.AsksForSnapshot() {
		v.State, v.StateReason, v.StateReasonCode = StatePending, reasonCreating, reasonCodeCreating
		v.LastUpdateStatus, v.LastUpdateStatusReason, v.LastUpdateStatusReasonCode = "", "", ""
	}
	e.f.next++
	e.f.source = source
	e.addVersion(v)
	return v
}

// fingerprint identifies code and settings.
func fingerprint(v *Version) string {
	settings, err := json.Marshal(v.Settings)
	if err != nil { // strings, numbers, maps of strings: cannot fail
		panic(err)
	}
	sum := sha256.Sum256(append(settings, v.CodeDigest...))
	return hex.EncodeToString(sum[:16])
}

// Unsettled lists the versions that must be made ready (compiled) and reported
// with Settle, in order of name and number.
func (c *Catalogue) Unsettled() []Version {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var out []Version
	for _, name := range c.names {
		f := c.functions[name]
		if f.latest.unsettled() {
			out = append(out, f.latest.clone())
		}
		for i := range f.versions {
			if f.versions[i].unsettled() {
				out = append(out, f.versions[i].clone())
			}
		}
	}
	return out
}

// Settle reports the outcome of making v ready: nil for success, and in
// v.Snapshot what became of its snapshot. Nothing happens when v, by its revision, is no longer what it was or is gone.
func (c *Catalogue) Settle(ctx context.Context, v Version, failure *Failure) error {
	stale := func(f *function) bool {
		if f == nil {
			return true
		}
		now := f.version(v.Version)
		return now == nil || now.RevisionID != v.RevisionID || !now.unsettled()
	}
	if stale(c.lookup(v.FunctionName)) {
		return nil
	}
	err := c.edit(ctx, v.FunctionName, func(e *edit) error {
		if stale(e.f) {
			return errStale
		}
		settled := *e.f.version(v.Version)
		settled.settle(failure, v.Snapshot)
		settled.RevisionID = c.cfg.NewRevision()
		if v.Version != Latest {
			e.replaceVersion(settled)
			return nil
		}
		e.f.latest = settled
		if failure == nil {
			e.f.serving = nil
		}
		return nil
	})
	if errors.Is(err, errStale) {
		return nil
	}
	return err
}

var errStale = &ConflictError{"stale"}

func (v *Version) settle(failure *Failure, snapshot SnapshotState) {
	if failure == nil {
		v.Snapshot = snapshot
		v.State, v.StateReason, v.StateReasonCode = StateActive, "", ""
		if snapshot.Refused != "" { // the one place of the API where it can be told
			v.StateReason = "The version runs without a snapshot: " + snapshot.Refused
		}
		v.LastUpdateStatus, v.LastUpdateStatusReason, v.LastUpdateStatusReasonCode = UpdateSuccessful, "", ""
		return
	}
	if v.State == StatePending {
		v.State, v.StateReason, v.StateReasonCode = StateFailed, failure.Reason, failure.Code
	}
	v.LastUpdateStatus = UpdateFailed
	v.LastUpdateStatusReason, v.LastUpdateStatusReasonCode = failure.Reason, failure.Code
}
