// Package sandbox turns a WebAssembly module into limited, running instances:
// an [Engine] compiles a [Module], a Module instantiates an [Instance], an
// Instance is initialised once and then invoked, one call at a time.
//
// # Time
//
// Compiled guest code cannot be preempted by the Go scheduler, so each module is
// rewritten when it is compiled (package meter): it calls the host whenever a
// quantum of work is done. That call is the only place where time is decided
// about. It compares the clock with the context's deadline and either returns
// fuel or ends the guest; and being Go code it lets the scheduler and the
// garbage collector go on. Sleeping and reading random bytes end at the deadline
// too.
//
// # Memory
//
// The linear memory is mapped outside the Go heap and is bounded by
// [Limits].MemoryBytes; tables are bounded by the rewriter. What a compilation
// costs in time and memory is bounded by the caps of package meter alone.
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
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// features are what a module may use.
const features = api.CoreFeaturesV2 | experimental.CoreFeaturesTailCall | experimental.CoreFeaturesExtendedConst

// Config configures an [Engine].
type Config struct {
	// CacheDir is the folder for compiled modules; it is created if need be.
	// Whoever can write to it can run native code in the host. Empty: compiled
	// modules live in memory only.
	CacheDir string
}

// Engine compiles modules and shares their code. Safe for concurrent use.
type Engine struct {
	cache wazero.CompilationCache

	life    sync.RWMutex // read-locked while compiling, locked while closing
	mu      sync.Mutex   // guards modules
	modules map[*Module]struct{}
	closed  bool
}

// New returns an engine. It starts no goroutine.
func New(_ context.Context, cfg Config) (*Engine, error) {
	e := &Engine{modules: map[*Module]struct{}{}}
	if cfg.CacheDir == "" {
		e.cache = wazero.NewCompilationCache()
		return e, nil
	}
	var err error
	if e.cache, err = wazero.NewCompilationCacheWithDir(cfg.CacheDir); err != nil {
		return nil, fmt.Errorf("opening the compile cache: %w", err)
	}
	return e, nil
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
	errs = append(errs, e.cache.Close(ctx))
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
