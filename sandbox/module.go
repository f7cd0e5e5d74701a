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
	code      *code
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
		m.closeErr = errors.Join(m.seats.close(ctx), m.fresh.close(), m.compiled.Close(ctx), m.runtime.Close(ctx), m.code.release(ctx))
	})
	return m.closeErr
}

// Compile checks, validates, meters and compiles a module in this process, which
// is for tests and measurements: a hostile module can use up the process's memory,
// and a failing compiler end it. A host uses [Engine.Publish]. Compile takes
// seconds for a module of ten megabytes that is not in the cache, and does not
// stop when ctx ends. A module that is at fault is refused with a *ModuleError.
// The wasm bytes are not kept.
func (e *Engine) Compile(ctx context.Context, wasm []byte, limits Limits) (*Module, error) {
	if e.folder != nil {
		return e.publish(ctx, wasm, limits, PrepareHere)
	}
	leave, err := e.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	p, metered, err := meterModule(ctx, wasm)
	if err != nil {
		return nil, err
	}
	if err := p.fits(limits); err != nil {
		return nil, err
	}
	return e.finish(ctx, p, metered, limits, e.memory.use())
}

// finish makes the module of code that is in the cache or is to be compiled. It
// ends the use of the code when it fails.
func (e *Engine) finish(ctx context.Context, p Prepared, metered []byte, limits Limits, c *code) (*Module, error) {
	m := &Module{engine: e, kind: p.Kind, hasMemory: p.HasMemory, limits: limits, code: c}
	m.digest = fmt.Sprintf("%x", sha256.Sum256(metered))
	var err error
	if m.runtime, err = newRuntime(ctx, c.cache, limits.pages()); err != nil {
		return nil, errors.Join(err, c.release(ctx))
	}
	if m.compiled, err = compileIn(c.compiling(ctx), m.runtime, metered); err != nil {
		return nil, errors.Join(err, m.runtime.Close(ctx), c.release(ctx))
	}
	_, m.resumes = m.compiled.ExportedFunctions()[abi.ExportAfterRestore]
	e.remember(m)
	return m, nil
}

// newRuntime makes a runtime with the host modules.
func newRuntime(ctx context.Context, cache wazero.CompilationCache, pages uint32) (wazero.Runtime, error) {
	cfg := wazero.NewRuntimeConfigCompiler().
		WithCompilationCache(cache).
		WithCoreFeatures(features).
		WithDebugInfoEnabled(false).
		WithMemoryLimitPages(pages)
	rt := wazero.NewRuntimeWithConfig(ctx, cfg)
	for _, b := range []wazero.HostModuleBuilder{wasiBuilder(rt), abiBuilder(rt), meterBuilder(rt)} {
		if _, err := b.Instantiate(withVectorLimit(ctx)); err != nil {
			return nil, errors.Join(fmt.Errorf("instantiating a host module: %w", err), rt.Close(ctx))
		}
	}
	return rt, nil
}

// compileIn compiles a guest.
func compileIn(ctx context.Context, rt wazero.Runtime, metered []byte) (compiled wazero.CompiledModule, err error) {
	defer func() {
		if r := recover(); r != nil { // one worker compiles in this goroutine
			err = &ModuleError{Reason: fmt.Sprintf("the compiler failed on this module: %v", r)}
		}
	}()
	compiled, err = rt.CompileModule(ctx, metered)
	switch {
	case errors.Is(err, context.Canceled):
		return nil, errNotThere
	case err != nil:
		return nil, &ModuleError{Reason: "module cannot be compiled: " + firstLine(err)}
	}
	return compiled, nil
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
