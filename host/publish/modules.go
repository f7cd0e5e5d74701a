package publish

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"github.com/lambent-host/lambent/host/catalogue"
	"github.com/lambent-host/lambent/host/deployment"
	"github.com/lambent-host/lambent/sandbox"
)

// key is what a compiled module depends on: the code, and the memory limit that
// is compiled into it.
type key struct {
	digest string
	memory int // MB
}

// entry is one compiled module, made once however many ask for it at a time.
type entry struct {
	ready  chan struct{} // closed when module, files and err are set
	module *sandbox.Module
	files  fs.FS
	err    error
	weight int64              // see maxIdleWeight
	cancel context.CancelFunc // ends the building

	// The rest is guarded by modules.mu.
	built    bool // the building has ended
	users    int
	lastUsed time.Time
}

// modules keeps compiled modules by key, counts who uses them, and closes those
// that nobody has used for a while. It is safe for concurrent use.
type modules struct {
	engine *sandbox.Engine
	code   func(digest string) ([]byte, error)
	// Compiling, which takes a processor for seconds or minutes, must not hold up
	// those whose module is only to be loaded.
	loading, compiling chan struct{} // bound how many do so at a time
	idle               chan struct{} // signalled when a module has lost its last user
	now                func() time.Time
	building           sync.WaitGroup

	mu      sync.Mutex
	entries map[key]*entry
}

// Modules that nobody uses are kept for a while, but not any number of them:
// each update of a function's code or memory makes another. They weigh what
// their uploads do, in bytes; machine code has about four times that.
const (
	maxIdleWeight = 128 << 20
	minWeight     = 1 << 20
)

// Lease is the use of a compiled module. Release it when no instance of it is left.
type Lease struct {
	// Module is compiled and ready to instantiate.
	Module *sandbox.Module
	// Files is the deployment package, which the function sees at /var/task.
	Files fs.FS
	// Release ends the use; further calls do nothing.
	Release func()
}

// lease returns the module of v, compiling it if it is not in memory. It waits
// for a compilation that another caller started. When ctx ends for the last who
// waits, the compilation is ended too.
func (m *modules) lease(ctx context.Context, v catalogue.Version) (*Lease, error) {
	k := key{digest: v.CodeDigest, memory: v.MemorySize}
	e := m.claim(ctx, k)
	select {
	case <-e.ready:
	case <-ctx.Done():
		m.release(k, e)
		return nil, ctx.Err()
	}
	if e.err != nil {
		m.release(k, e)
		return nil, e.err
	}
	return &Lease{
		Module:  e.module,
		Files:   e.files,
		Release: sync.OnceFunc(func() { m.release(k, e) }),
	}, nil
}

// claim finds the entry, or makes it and begins to build it, and counts the caller in.
func (m *modules) claim(ctx context.Context, k key) *entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, found := m.entries[k]
	if !found {
		ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		e = &entry{ready: make(chan struct{}), cancel: cancel}
		m.entries[k] = e
		m.building.Go(func() { m.build(ctx, k, e) })
	}
	e.users++
	return e
}

func (m *modules) release(k key, e *entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e.users--
	e.lastUsed = m.now()
	// A failure is not kept: what failed for want of memory or disk may succeed
	// next time, and what is wrong with the module is written in the catalogue.
	if e.built && e.err != nil {
		m.drop(k, e)
	}
	if !e.built && e.users == 0 { // nobody waits any more
		m.drop(k, e)
		e.cancel()
		return
	}
	if e.users == 0 {
		select {
		case m.idle <- struct{}{}:
		default: // somebody will look already
		}
	}
}

// drop forgets an entry, unless another is in its place.
func (m *modules) drop(k key, e *entry) {
	if m.entries[k] == e {
		delete(m.entries, k)
	}
}

func (m *modules) build(ctx context.Context, k key, e *entry) {
	defer close(e.ready)
	defer e.cancel()
	err := m.load(ctx, k, e, m.loading, m.engine.Cached)
	if errors.Is(err, sandbox.ErrNotCached) {
		err = m.load(ctx, k, e, m.compiling, m.engine.Publish)
	}
	m.mu.Lock()
	e.built, e.err = true, err
	abandoned := m.entries[k] != e
	m.mu.Unlock()
	if abandoned && e.module != nil { // a moment too late to be stopped
		_ = e.module.Close(context.WithoutCancel(ctx)) // nobody is left to be told
	}
}

// load takes its turn and makes the module in one of two ways. What is uploaded is
// in memory meanwhile, so those who wait for their turn have not read it yet.
func (m *modules) load(ctx context.Context, k key, e *entry, turns chan struct{},
	how func(context.Context, []byte, sandbox.Limits) (*sandbox.Module, error),
) error {
	select {
	case turns <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-turns }()
	upload, err := m.code(k.digest)
	if err != nil {
		return fmt.Errorf("read the code: %w", err)
	}
	pkg, err := deployment.Open(upload)
	if err != nil {
		return fmt.Errorf("open the deployment package: %w", err)
	}
	e.module, err = how(ctx, pkg.Wasm, sandbox.Limits{MemoryBytes: uint64(k.memory) << 20})
	if err != nil {
		return err
	}
	e.files, e.weight = pkg.Files, max(minWeight, int64(len(upload)), int64(len(pkg.Wasm)))
	return nil
}

// sweep closes modules that have had no user for longer than idle, and those
// unused for longest until the rest weighs at most maxIdleWeight. A negative
// idle closes every unused one.
func (m *modules) sweep(ctx context.Context, idle time.Duration) (closed int, err error) {
	for _, module := range m.unused(idle) {
		closed++
		if cerr := module.Close(ctx); cerr != nil && err == nil {
			err = fmt.Errorf("close a module: %w", cerr)
		}
	}
	return closed, err
}

func (m *modules) unused(idle time.Duration) []*sandbox.Module {
	m.mu.Lock()
	defer m.mu.Unlock()
	var candidates []key
	var weight int64
	for k, e := range m.entries {
		if e.users == 0 && e.module != nil {
			candidates = append(candidates, k)
			weight += e.weight
		}
	}
	slices.SortFunc(candidates, func(a, b key) int { return m.entries[a].lastUsed.Compare(m.entries[b].lastUsed) })
	var unused []*sandbox.Module
	for _, k := range candidates {
		e := m.entries[k]
		if m.now().Sub(e.lastUsed) <= idle && weight <= maxIdleWeight {
			break // so are those that come after
		}
		weight -= e.weight
		delete(m.entries, k)
		unused = append(unused, e.module)
	}
	return unused
}
