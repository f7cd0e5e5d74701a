// Package catalogue keeps the functions: their settings, code, versions,
// aliases and tags, with the states of the Lambda API (Pending, Active, Failed;
// InProgress, Successful, Failed).
//
// Reads come from memory. A change is checked in memory, written to the store
// in one transaction, and shown to readers once it is on disk; changes of one
// function queue up, changes of different functions share commits. Code is kept
// as files named by digest (code.go); a file is on disk before the transaction
// that names it. What must be compiled is handed out by [Catalogue.Unsettled]
// and reported back with [Catalogue.Settle]. The package starts no goroutine.
//
// Rules and messages follow the Lambda API 2015-03-31. Start with types.go,
// then edit.go, which every change goes through. Read next: package publish,
// which settles versions, and package invoke, which resolves them.
package catalogue

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/lambent-host/lambent/host/store"
)

// Config tells a catalogue where it is and how to judge code.
type Config struct {
	// Region and AccountID go into ARNs.
	Region, AccountID string
	// Inspect refuses a module that could never run; it must be quick. nil
	// accepts everything.
	Inspect func(wasm []byte) error
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// NewRevision makes revision ids; nil means random UUIDs.
	NewRevision func() string
	// Changed is told after each change of a function which versions there are
	// now, what serves during an update included; none when it was deleted. It is
	// called once per change and must be quick. nil: nobody is told.
	Changed func(name string, versions []Version)
}

// Catalogue is the set of functions. Its methods are safe for concurrent use;
// what they return is the caller's own copy.
type Catalogue struct {
	cfg     Config
	st      *store.Store
	code    *codeFiles
	locks   nameLocks
	changes chan struct{}

	mu        sync.RWMutex
	functions map[string]*function // values are replaced, never changed
	names     []string             // keys of functions, sorted
}

// function is everything known about one function.
type function struct {
	latest   Version
	serving  *Version  // what $LATEST runs while latest is not ready; nil: latest
	versions []Version // published, ascending by number
	aliases  map[string]Alias
	tags     map[string]string
	next     int    // number of the next published version
	source   string // fingerprint of what the last published version was made from
}

// Open reads the catalogue from the store and removes code files that nothing
// refers to. codeDir is created when it is missing; it must belong to this
// catalogue alone. A store written by a newer Lambent is refused with a
// *store.SchemaError.
func Open(st *store.Store, codeDir string, cfg Config) (*Catalogue, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.NewRevision == nil {
		cfg.NewRevision = uuid.NewString
	}
	if cfg.Inspect == nil {
		cfg.Inspect = func([]byte) error { return nil }
	}
	functions, err := load(st)
	if err != nil {
		return nil, fmt.Errorf("open catalogue: %w", err)
	}
	c := &Catalogue{cfg: cfg, st: st, functions: functions, changes: make(chan struct{}, 1)}
	var used []string
	for name, f := range functions {
		c.names = append(c.names, name)
		used = append(used, f.digests()...)
	}
	slices.Sort(c.names)
	if c.code, err = openCode(codeDir, used); err != nil {
		return nil, fmt.Errorf("open catalogue: %w", err)
	}
	if len(c.Unsettled()) > 0 {
		c.signal()
	}
	return c, nil
}

// Changes is signalled when Unsettled may have grown. It is never closed.
func (c *Catalogue) Changes() <-chan struct{} { return c.changes }

func (c *Catalogue) signal() {
	select {
	case c.changes <- struct{}{}:
	default:
	}
}

// Usage returns the bytes of code, counted once per function and published
// version as Lambda counts them, and the number of functions.
func (c *Catalogue) Usage() (codeBytes int64, functions int) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, f := range c.functions {
		codeBytes += f.latest.CodeSize
		for _, v := range f.versions {
			codeBytes += v.CodeSize
		}
	}
	return codeBytes, len(c.functions)
}

// Code returns an upload as it was stored. Its digest is verified.
func (c *Catalogue) Code(digest string) ([]byte, error) { return c.code.read(digest) }

// Present tells what Config.Changed would be told of each function there is.
func (c *Catalogue) Present(each func(name string, versions []Version)) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for name, f := range c.functions {
		each(name, f.present())
	}
}

// UsesLayer tells whether a version of a function has the layer version of an ARN.
func (c *Catalogue) UsesLayer(arn string) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, f := range c.functions {
		if slices.ContainsFunc(f.present(), func(v Version) bool { return slices.Contains(v.Layers, arn) }) {
			return true
		}
	}
	return false
}

// present lists every version that is there or serves.
func (f *function) present() []Version {
	if f == nil {
		return nil
	}
	all := []Version{f.latest.clone()}
	if f.serving != nil {
		all = append(all, f.serving.clone())
	}
	for i := range f.versions {
		all = append(all, f.versions[i].clone())
	}
	return all
}

// lookup returns the function as it is now; nil when there is none.
func (c *Catalogue) lookup(name string) *function {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.functions[name]
}

// arn is the unqualified ARN of a function.
func (c *Catalogue) arn(name string) string {
	return "arn:aws:lambda:" + c.cfg.Region + ":" + c.cfg.AccountID + ":function:" + name
}

func (c *Catalogue) qualified(name, qualifier string) string {
	if qualifier == "" {
		return c.arn(name)
	}
	return c.arn(name) + ":" + qualifier
}

// digests lists the code files the function refers to, once per reference.
func (f *function) digests() []string {
	if f == nil {
		return nil
	}
	d := []string{f.latest.CodeDigest}
	if f.serving != nil {
		d = append(d, f.serving.CodeDigest)
	}
	for _, v := range f.versions {
		d = append(d, v.CodeDigest)
	}
	return d
}

// version finds a version by number or $LATEST ("" too); nil when there is none.
func (f *function) version(number string) *Version {
	if number == "" || number == Latest {
		return &f.latest
	}
	for i := range f.versions {
		if f.versions[i].Version == number {
			return &f.versions[i]
		}
	}
	return nil
}

// nameLocks makes changes of one function wait for each other.
type nameLocks struct {
	mu   sync.Mutex
	held map[string]*nameLock
}

type nameLock struct {
	mu   sync.Mutex
	uses int
}

func (l *nameLocks) lock(name string) (unlock func()) {
	l.mu.Lock()
	if l.held == nil {
		l.held = make(map[string]*nameLock)
	}
	n := l.held[name]
	if n == nil {
		n = new(nameLock)
		l.held[name] = n
	}
	n.uses++
	l.mu.Unlock()
	n.mu.Lock()
	return func() {
		n.mu.Unlock()
		l.mu.Lock()
		defer l.mu.Unlock()
		if n.uses--; n.uses == 0 {
			delete(l.held, name)
		}
	}
}
