package environment

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/lambent-host/lambent/host/catalogue"
)

// renews tells whether the environment must be made new after each invocation, and
// quickly whether that takes microseconds and not an init.
func (e *environment) renews() (renews, quickly bool) {
	renews = e.isolation == catalogue.IsolationRequest
	return renews, renews && e.snapshot != nil
}

// renew makes the environment ready for an invocation that finds nothing of the one
// before: the memory as it was after init, and an empty /tmp. The extensions stay;
// they have seen both anyway. An error ends the environment.
func (e *environment) renew(ctx context.Context) error {
	limit := e.cfg.InitTimeout
	if e.snapshot != nil {
		limit = e.cfg.RestoreTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if e.snapshot != nil {
		defer e.output.flush()
		return e.instance.Reset(ctx)
	}
	e.dropInstance(ctx)
	left, err := os.ReadDir(e.tmp)
	if err != nil {
		return err
	}
	for _, entry := range left {
		if err := os.RemoveAll(filepath.Join(e.tmp, entry.Name())); err != nil {
			return err
		}
	}
	return e.initRuntime(ctx)
}

// tellOfInits says once of each version that isolation by request costs an init
// for each invocation, because it cannot be captured, or no snapshots are made.
func (p *Pool) tellOfInits(e *environment) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := versionKey(e.version)
	if p.told[e.version.QualifiedARN()] == key {
		return
	}
	p.told[e.version.QualifiedARN()] = key
	why := "the host makes no snapshots"
	if p.cfg.SnapStart != SnapStartOff {
		why = "there is no snapshot of the function"
	}
	e.log.Warn().Str("reason", why).Msg(fmt.Sprintf("isolation by %s: each invocation waits for an instance of its own and its init", catalogue.IsolationRequest))
}
