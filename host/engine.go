package host

import (
	"cmp"
	"context"
	"path/filepath"

	"github.com/lambent-host/lambent/sandbox"
	publishing "github.com/lambent-host/lambent/sandbox/publish"
)

// cacheKeyBytes is the length of the key of the compile cache.
const cacheKeyBytes = 32

// openEngine makes the engine, which has modules prepared by child processes. The
// key of its cache lies in the store: who can write to the cache alone cannot make
// the host load what it did not publish.
func (h *Host) openEngine(ctx context.Context) (err error) {
	key := h.cfg.CompileCacheKey
	if len(key) == 0 {
		if key, err = h.store.Secret(ctx, "compile cache", cacheKeyBytes); err != nil {
			return err
		}
	}
	children, err := publishing.New(publishing.Config{Limits: h.cfg.Publishing, Ended: func(u publishing.Usage) {
		h.log.Debug().Dur("cpu", u.CPUTime).Dur("took", u.WallTime).Int64("peakBytes", u.PeakBytes).Msg("a publishing process ended")
	}})
	if err != nil {
		return err
	}
	h.engine, err = sandbox.New(ctx, sandbox.Config{
		CacheDir: cmp.Or(h.cfg.CompileCacheDir, filepath.Join(h.cfg.DataDir, "compiled")),
		CacheKey: key, CacheBytes: int64(h.cfg.CompileCacheSpace) << 20,
		Prepare: children.Prepare,
		Damaged: func(err error) { h.log.Warn().Err(err).Msg("compile cache: what was damaged is made anew") },
	})
	return err
}
