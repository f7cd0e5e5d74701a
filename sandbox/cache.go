package sandbox

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"
	"golang.org/x/sys/cpu"

	"github.com/lambent-host/lambent/sandbox/internal/sealed"
	"github.com/lambent-host/lambent/sandbox/meter"
)

// engineVersion is part of the name of what is in the cache. A test holds that it
// is the one in go.mod: a test binary does not know what it is made of.
const engineVersion = "v1.12.0"

// ErrNotCached is returned when a module has not been prepared yet, or not for
// this machine and this version.
var ErrNotCached = errors.New("module is not in the compile cache")

// errNotThere tells that wazero found no machine code for what was to be loaded.
var errNotThere = errors.New("there is no machine code for this processor and engine")

// entryName is what a prepared module is kept under: everything that what is
// prepared depends on.
func (e *Engine) entryName(wasm []byte) string {
	content := sha256.Sum256(wasm)
	h := hmac.New(sha256.New, e.cfg.CacheKey)
	fmt.Fprintf(h, "%x %d %s %s %s %s %+v %+v", content, preparedVersion, meter.Version, engineVersion,
		runtime.GOOS, runtime.GOARCH, cpu.X86, cpu.ARM64)
	return hex.EncodeToString(h.Sum(nil))
}

// Cached loads a module that has been prepared before, which takes 0.1 s for a Go
// module: it is neither validated nor metered nor compiled again. [ErrNotCached]
// if there is none; an entry that is not as it was left is removed and counts as
// none. A *ModuleError when the module needs more memory than limits allow.
func (e *Engine) Cached(ctx context.Context, wasm []byte, limits Limits) (*Module, error) {
	leave, err := e.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	if e.folder == nil {
		return nil, ErrNotCached
	}
	return e.cached(ctx, e.entryName(wasm), limits)
}

func (e *Engine) cached(ctx context.Context, name string, limits Limits) (*Module, error) {
	m, err := e.load(ctx, name, limits)
	var damage *sealed.DamageError
	switch {
	case errors.Is(err, sealed.ErrNone):
		return nil, ErrNotCached
	case errors.As(err, &damage):
		if e.cfg.Damaged != nil {
			e.cfg.Damaged(damage)
		}
		if err := e.folder.Remove(name); err != nil {
			return nil, fmt.Errorf("removing a damaged cache entry: %w", err)
		}
		return nil, ErrNotCached
	case err != nil:
		return nil, err
	}
	return m, nil
}

// load makes a module of an entry.
func (e *Engine) load(ctx context.Context, name string, limits Limits) (*Module, error) {
	entry, err := e.folder.Get(name)
	if err != nil {
		return nil, err
	}
	var p Prepared
	if err := json.Unmarshal(entry.Meta(), &p); err != nil {
		entry.Release()
		return nil, &sealed.DamageError{Name: name, Reason: "it does not tell what was prepared"}
	}
	if err := p.fits(limits); err != nil {
		entry.Release()
		return nil, err
	}
	metered, err := entry.Read(meteredFile)
	if err != nil {
		entry.Release()
		return nil, err
	}
	c, err := e.codeOf(entry, name)
	if err != nil {
		return nil, err
	}
	m, err := e.finish(ctx, p, metered, limits, c)
	var refused *ModuleError
	if errors.Is(err, errNotThere) || errors.As(err, &refused) {
		return nil, &sealed.DamageError{Name: name, Reason: err.Error()}
	}
	return m, err
}

// Publish loads a module, and has it prepared before if it is not in the cache,
// which takes seconds to minutes and ends with ctx. Errors: *ModuleError when the
// module is at fault, others when the host is.
func (e *Engine) Publish(ctx context.Context, wasm []byte, limits Limits) (*Module, error) {
	if e.folder == nil || e.cfg.Prepare == nil {
		return nil, errors.New("this engine has no folder or no way to prepare modules")
	}
	return e.publish(ctx, wasm, limits, e.cfg.Prepare)
}

func (e *Engine) publish(ctx context.Context, wasm []byte, limits Limits, prepare Preparer) (*Module, error) {
	leave, err := e.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	name := e.entryName(wasm)
	m, err := e.cached(ctx, name, limits)
	for range 2 { // the second time if somebody else's entry turned out to be damaged
		if !errors.Is(err, ErrNotCached) {
			return m, err
		}
		if err := e.prepare(ctx, name, wasm, limits, prepare); err != nil {
			return nil, err
		}
		m, err = e.cached(ctx, name, limits)
		e.trim() // now that the new entry is in use
	}
	if errors.Is(err, ErrNotCached) {
		return nil, errors.New("what was prepared could not be loaded")
	}
	return m, err
}

// prepare has an entry made.
func (e *Engine) prepare(ctx context.Context, name string, wasm []byte, limits Limits, prepare Preparer) error {
	info, err := Inspect(wasm)
	if err != nil {
		return err
	}
	if err := (Prepared{MinMemoryBytes: info.MinMemoryBytes}).fits(limits); err != nil {
		return err
	}
	scratch, err := e.folder.Scratch()
	if err != nil {
		return fmt.Errorf("compile cache: %w", err)
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	p, err := prepare(ctx, wasm, scratch)
	if err != nil {
		return err
	}
	meta, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("describing what was prepared: %w", err)
	}
	if err := e.folder.Put(name, scratch, meta); err != nil {
		return fmt.Errorf("compile cache: %w", err)
	}
	return nil
}

// trim keeps the folder within its bound; failing at that fails nothing else.
func (e *Engine) trim() {
	if _, err := e.folder.Trim(); err != nil && e.cfg.Damaged != nil {
		e.cfg.Damaged(fmt.Errorf("keeping the compile cache within its bound: %w", err))
	}
}

// code is machine code that modules share which differ in their limits only.
type code struct {
	engine *Engine
	name   string
	cache  wazero.CompilationCache
	sealed bool
	free   func() // ends the use of the entry
	uses   int    // guarded by Engine.mu
}

func newCode(e *Engine, name string, cache wazero.CompilationCache) *code {
	return &code{engine: e, name: name, cache: cache, free: func() {}, uses: 1}
}

// codeOf returns the code of an entry; the entry's use is the code's from now on.
func (e *Engine) codeOf(entry *sealed.Entry, name string) (*code, error) {
	if c := e.sharedCode(name, nil); c != nil {
		entry.Release()
		return c, nil
	}
	if err := entry.Check(meteredFile); err != nil {
		entry.Release()
		return nil, err
	}
	cache, err := wazero.NewCompilationCacheWithDir(entry.Dir())
	if err != nil {
		entry.Release()
		return nil, fmt.Errorf("opening a folder of the compile cache: %w", err)
	}
	mine := newCode(e, name, cache)
	mine.sealed, mine.free = true, entry.Release
	return e.sharedCode(name, mine), nil
}

// sharedCode counts a use of the code of that name: of mine if there is none yet.
func (e *Engine) sharedCode(name string, mine *code) *code {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.codes[name]
	switch {
	case c != nil && mine != nil: // somebody was faster; nothing was loaded by mine
		mine.free()
		c.uses++
	case c != nil:
		c.uses++
	case mine != nil:
		e.codes[name] = mine
		return mine
	}
	return c
}

func (c *code) use() *code {
	c.engine.mu.Lock()
	defer c.engine.mu.Unlock()
	c.uses++
	return c
}

func (c *code) release(ctx context.Context) error {
	c.engine.mu.Lock()
	defer c.engine.mu.Unlock()
	if c.uses--; c.uses > 0 {
		return nil
	}
	delete(c.engine.codes, c.name)
	c.free()
	return c.cache.Close(ctx)
}

// compiling is the context to compile with. What is sealed must not be compiled
// here: with more than one worker wazero looks whether the context has ended before
// it compiles a function, and not when it finds the machine code. A test holds
// that.
func (c *code) compiling(ctx context.Context) context.Context {
	if !c.sealed {
		return ctx
	}
	ended, cancel := context.WithCancel(experimental.WithCompilationWorkers(ctx, 2))
	cancel()
	return ended
}
