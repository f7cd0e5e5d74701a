package sandbox

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/lambent-host/lambent/abi"
	"github.com/lambent-host/lambent/sandbox/meter"
)

// Limits bound the instances of a module.
type Limits struct {
	// MemoryBytes caps the linear memory, in bytes; whole pages of 64 KiB count.
	// At most 4 GiB can be used by a guest, whatever is allowed.
	MemoryBytes uint64
}

const (
	pageBytes = 1 << 16
	maxPages  = 1 << 16
)

// maxMemory is how large the memory of an instance may become, in bytes.
func (m *Module) maxMemory() uint64 {
	if !m.hasMemory {
		return 0
	}
	return uint64(m.limits.pages()) * pageBytes
}

func (l Limits) pages() uint32 { return uint32(min(l.MemoryBytes/pageBytes, maxPages)) }

// Module is a compiled module with its limits. Safe for concurrent use.
type Module struct {
	engine    *Engine
	kind      abi.Kind
	limits    Limits
	hasMemory bool
	runtime   wazero.Runtime
	compiled  wazero.CompiledModule
	digest    string // of the metered module, SHA-256, hex
	resumes   bool   // it exports abi.ExportAfterRestore
	seats     seats
	fresh     fresh
	closing   sync.Once
	closeErr  error
}

// Kind tells how the module is run.
func (m *Module) Kind() abi.Kind { return m.kind }

// Close releases the compiled code. Every instance must have been closed
// before. Closing again does nothing.
func (m *Module) Close(ctx context.Context) error {
	m.engine.forget(m)
	return m.close(ctx)
}

func (m *Module) close(ctx context.Context) error {
	m.closing.Do(func() {
		m.closeErr = errors.Join(m.seats.close(ctx), m.fresh.close(), m.compiled.Close(ctx), m.runtime.Close(ctx))
	})
	return m.closeErr
}

// Compile checks, validates, meters and compiles a module. It takes seconds for
// a module of ten megabytes that is not in the cache, and does not stop when ctx
// ends. A module that is at fault is refused with a *ModuleError. The wasm bytes
// are not kept.
func (e *Engine) Compile(ctx context.Context, wasm []byte, limits Limits) (*Module, error) {
	e.life.RLock()
	defer e.life.RUnlock()
	if e.closed {
		return nil, fmt.Errorf("engine: %w", ErrClosed)
	}
	info, err := Inspect(wasm)
	if err != nil {
		return nil, err
	}
	if info.MinMemoryBytes > uint64(limits.pages())*pageBytes {
		return nil, &ModuleError{Section: "memory", Reason: fmt.Sprintf(
			"module needs %d bytes of memory from the start, the limit is %d", info.MinMemoryBytes, limits.MemoryBytes)}
	}
	if err := validate(ctx, wasm); err != nil {
		return nil, err
	}
	metered, _, err := meter.Rewrite(wasm, meter.Options{})
	if err != nil {
		return nil, asModuleError(err)
	}
	m := &Module{engine: e, kind: info.Kind, hasMemory: info.HasMemory, limits: limits}
	m.digest = fmt.Sprintf("%x", sha256.Sum256(metered))
	if err := m.compile(ctx, metered); err != nil {
		return nil, err
	}
	e.remember(m)
	return m, nil
}

// compile makes the runtime with the host modules and the compiled guest.
func (m *Module) compile(ctx context.Context, metered []byte) (err error) {
	cfg := wazero.NewRuntimeConfigCompiler().
		WithCompilationCache(m.engine.cache).
		WithCoreFeatures(features).
		WithDebugInfoEnabled(false).
		WithMemoryLimitPages(m.limits.pages())
	m.runtime = wazero.NewRuntimeWithConfig(ctx, cfg)
	defer func() {
		if r := recover(); r != nil { // the compiler runs in this goroutine
			err = &ModuleError{Reason: fmt.Sprintf("the compiler failed on this module: %v", r)}
		}
		if err != nil {
			_ = m.runtime.Close(ctx)
		}
	}()
	for _, b := range []wazero.HostModuleBuilder{wasiBuilder(m.runtime), abiBuilder(m.runtime), meterBuilder(m.runtime)} {
		if _, err := b.Instantiate(ctx); err != nil {
			return fmt.Errorf("instantiating a host module: %w", err)
		}
	}
	m.compiled, err = m.runtime.CompileModule(ctx, metered)
	if err != nil {
		return &ModuleError{Reason: "module cannot be compiled: " + firstLine(err)}
	}
	_, m.resumes = m.compiled.ExportedFunctions()[abi.ExportAfterRestore]
	return nil
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// errValidated ends a compilation after validation; see validate.
var errValidated = errors.New("validated")

type stopBeforeCompiling struct{}

func (stopBeforeCompiling) NewFunctionListener(api.FunctionDefinition) experimental.FunctionListener {
	panic(errValidated)
}

// validate has wazero decode and validate the original bytes without compiling
// them: wazero asks for function listeners after validation and before
// compilation, and the factory given here stops it there. (A module without
// functions is compiled by the interpreter, which is nothing.) A test holds that
// validation comes first. The original has to be valid because what metering
// adds could make an invalid module valid.
func validate(ctx context.Context, wasm []byte) (err error) {
	cfg := wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(features).WithDebugInfoEnabled(false)
	rt := wazero.NewRuntimeWithConfig(ctx, cfg)
	defer func() { _ = rt.Close(ctx) }()
	defer func() {
		if r := recover(); r != nil && r != any(errValidated) {
			err = &ModuleError{Reason: fmt.Sprintf("module is not valid: %v", r)}
		}
	}()
	ctx = experimental.WithFunctionListenerFactory(ctx, stopBeforeCompiling{})
	// The decoder may keep parts of its input.
	if _, err := rt.CompileModule(ctx, bytes.Clone(wasm)); err != nil {
		return &ModuleError{Reason: "module is not valid: " + firstLine(err)}
	}
	return nil
}
