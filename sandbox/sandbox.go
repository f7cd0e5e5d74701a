// Package sandbox turns a WebAssembly module into limited, running instances:
// an [Engine] publishes and loads a [Module], a Module instantiates an [Instance], an
// Instance is initialised once and then invoked, one call at a time.
//
// # Publishing
//
// A module is prepared once: checked against the caps, validated, metered and
// compiled, by a child process (package publish). What comes of it is kept on disk,
// sealed (cache.go), and that is all that [Engine.Publish] and [Engine.Cached] load.
//
// # Time
//
// Compiled guest code cannot be preempted by the Go scheduler, so each module is
// rewritten when it is compiled (package meter): it calls the host whenever a
// quantum of work is done. That call is the only place where time is decided
// about. It compares the clock with the context's deadline and ends the guest, or
// has package cpu decide who runs next and returns fuel; and being Go code it lets
// the garbage collector go on. Sleeping and reading random bytes end at the
// deadline too.
//
// # Memory
//
// The linear memory is mapped outside the Go heap and is bounded by
// [Limits].MemoryBytes; tables are bounded by the rewriter. What a
// compilation costs in time and memory is bounded by the caps of package meter and
// by the limits of the child process that compiles.
//
// Between calls an instance is its memory and its mutable globals; what it runs on
// it takes for a call and may lose to another (seat.go). One that has lost it is
// parked: it keeps what differs from the image that its memory was made of, a
// module's initial memory or a [Snapshot] (parked.go, snapshot.go).
//
// # Reach
//
// A guest sees WASI preview 1 (clocks, random bytes, arguments, environment,
// its output, /var/task read-only, /tmp) and the imports of package abi. No
// sockets; no path leads out of the two folders.
//
// Enabled are the core features 2.0 (bulk memory, multi-value, reference types,
// SIMD, and so on), tail calls and extended constant expressions. Threads,
// exceptions and typed function references are not.
//
// The package starts no goroutine. Read next: instance.go for a call's life,
// call.go for the deadline, then package abi for what guest and host say.
package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/lambent-host/lambent/sandbox/cpu"
	"github.com/lambent-host/lambent/sandbox/internal/sealed"
)

// features are what a module may use.
const features = api.CoreFeaturesV2 | experimental.CoreFeaturesTailCall | experimental.CoreFeaturesExtendedConst

// Config configures an [Engine].
type Config struct {
	// CacheDir is the folder for what has been prepared: metered modules and their
	// machine code. It is created if need be, and engines may share one. Empty:
	// compiled modules live in memory only, and nothing can be published.
	CacheDir string
	// CacheKey authenticates what is in CacheDir, so it is kept elsewhere: whoever
	// knows it and can write to the folder can run native code in the host. Engines
	// see the entries of their own key only. Nil: damage is detected, intent is not.
	CacheKey []byte
	// CacheBytes bounds CacheDir; beyond it, what has not been used for longest is
	// removed. 0: 4 GiB.
	CacheBytes int64
	// Prepare is how [Engine.Publish] has a module prepared: in a child process by
	// package publish, or in this one by [PrepareHere]. Nil: nothing can be
	// published.
	Prepare Preparer
	// Damaged is told of each cache entry that was not as it was left, and has been
	// removed. It is called by whoever loads and must not block. May be nil.
	Damaged func(error)
	// Slots is how many guests run at a time; 0: one less than GOMAXPROCS is now,
	// but at least one.
	Slots int
}

// defaultCacheBytes holds a hundred Go functions.
const defaultCacheBytes = 4 << 30

// Engine compiles modules and shares their code. Safe for concurrent use.
type Engine struct {
	cfg       Config
	scheduler *cpu.Scheduler
	folder    *sealed.Folder // nil: no CacheDir
	memory    *code          // of what is compiled without a folder

	life    sync.RWMutex // read-locked while compiling, locked while closing
	mu      sync.Mutex   // guards modules and codes
	modules map[*Module]struct{}
	codes   map[string]*code // of what was loaded, by entry
	closed  bool
}

// New returns an engine. It starts no goroutine.
func New(_ context.Context, cfg Config) (*Engine, error) {
	e := &Engine{cfg: cfg, scheduler: cpu.NewScheduler(cfg.Slots), modules: map[*Module]struct{}{}, codes: map[string]*code{}}
	if cfg.CacheDir == "" {
		e.memory = newCode(e, "", wazero.NewCompilationCache())
		return e, nil
	}
	var err error
	if e.folder, err = sealed.Open(cfg.CacheDir, cfg.CacheKey, cmp.Or(cfg.CacheBytes, defaultCacheBytes)); err != nil {
		return nil, fmt.Errorf("opening the compile cache: %w", err)
	}
	return e, nil
}

// enter begins what must not meet Close; the function returned ends it.
func (e *Engine) enter() (leave func(), err error) {
	e.life.RLock()
	if e.closed {
		e.life.RUnlock()
		return nil, fmt.Errorf("engine: %w", ErrClosed)
	}
	return e.life.RUnlock, nil
}

// Close closes every module that is still open, and the engine, once no
// compilation runs any more. No call into an instance may be running. Closing
// again does nothing.
func (e *Engine) Close(ctx context.Context) error {
	e.life.Lock()
	defer e.life.Unlock()
	if e.closed {
		return nil
	}
	e.closed = true
	e.mu.Lock()
	open := e.modules
	e.modules = nil
	e.mu.Unlock()
	var errs []error
	for m := range open {
		errs = append(errs, m.close(ctx))
	}
	if e.memory != nil {
		errs = append(errs, e.memory.release(ctx))
	}
	return errors.Join(errs...)
}

func (e *Engine) remember(m *Module) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.modules[m] = struct{}{}
}

func (e *Engine) forget(m *Module) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.modules, m)
}
