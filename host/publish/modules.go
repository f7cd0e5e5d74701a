package publish

import (
	"context"
	"fmt"
	"io/fs"
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

	// The rest is guarded by modules.mu.
	users    int
	lastUsed time.Time
}

// modules keeps compiled modules by key, counts who uses them, and closes those
// that nobody has used for a while. It is safe for concurrent use.
type modules struct {
	engine *sandbox.Engine
	code   func(digest string) ([]byte, error)
	slots  chan struct{} // bounds how many compile at a time
	now    func() time.Time

	mu      sync.Mutex
	entries map[key]*entry
}

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
// for a compilation that another caller started. ctx bounds the waiting only: a
// compilation once begun is finished for those who come later.
func (m *modules) lease(ctx context.Context, v catalogue.Version) (*Lease, error) {
	k := key{digest: v.CodeDigest, memory: v.MemorySize}
	e, mine := m.claim(k)
	if mine {
		go m.build(context.WithoutCancel(ctx), k, e)
	}
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

// claim finds or makes the entry and counts the caller in; mine tells that the
// caller must build it.
func (m *modules) claim(k key) (e *entry, mine bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, found := m.entries[k]
	if !found {
		e = &entry{ready: make(chan struct{})}
		m.entries[k] = e
	}
	e.users++
	return e, !found
}

func (m *modules) release(k key, e *entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e.users--
	e.lastUsed = m.now()
	// A failure is not kept: what failed for want of memory or disk may succeed
	// next time, and what is wrong with the module is written in the catalogue.
	if e.err != nil && m.entries[k] == e {
		delete(m.entries, k)
	}
}

func (m *modules) build(ctx context.Context, k key, e *entry) {
	defer close(e.ready)
	m.slots <- struct{}{}
	defer func() { <-m.slots }()
	e.module, e.files, e.err = m.compile(ctx, k)
}

func (m *modules) compile(ctx context.Context, k key) (*sandbox.Module, fs.FS, error) {
	upload, err := m.code(k.digest)
	if err != nil {
		return nil, nil, fmt.Errorf("read the code: %w", err)
	}
	pkg, err := deployment.Open(upload)
	if err != nil {
		return nil, nil, fmt.Errorf("open the deployment package: %w", err)
	}
	module, err := m.engine.Compile(ctx, pkg.Wasm, sandbox.Limits{MemoryBytes: uint64(k.memory) << 20})
	if err != nil {
		return nil, nil, err
	}
	return module, pkg.Files, nil
}

// sweep closes modules that have had no user for longer than idle. A negative
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
	var unused []*sandbox.Module
	for k, e := range m.entries {
		if e.users == 0 && e.module != nil && m.now().Sub(e.lastUsed) > idle {
			delete(m.entries, k)
			unused = append(unused, e.module)
		}
	}
	return unused
}
