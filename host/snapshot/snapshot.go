// Package snapshot keeps the snapshots of functions: on disk, so that a host that
// starts again runs no init, and in memory while environments are restored from
// them. One snapshot is made, or loaded, at a time however many ask for it.
//
// A snapshot is found under everything that init could see ([KeyOf]): a function
// whose variables are changed does not meet the memory of the old ones. A file
// that was damaged is removed, and the snapshot made anew. The package starts no
// goroutine. Read next: package environment, which makes snapshots and restores
// from them, and sandbox's snapshot.go.
package snapshot

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/lambent-host/lambent/sandbox"
)

// Config is what a Store works with.
type Config struct {
	// Dir is the folder of the files, this store's own; it is made if need be. What
	// is in it is the memory of functions, secrets included.
	Dir string
	// MaxBytes bounds what the files take; those used least recently go first.
	MaxBytes int64
	// Idle is how long a snapshot that no environment uses stays in memory.
	Idle time.Duration
	Log  zerolog.Logger
}

// Key names a snapshot.
type Key struct{ function, content string }

// KeyOf is the key of what a function's init makes of these parts, in their order:
// all that it could see. Functions never share one.
func KeyOf(function string, parts ...string) Key {
	h := sha256.New()
	for _, part := range append([]string{function}, parts...) {
		h.Write([]byte(strconv.Itoa(len(part)) + ":" + part))
	}
	return Key{function: folded(function), content: hex.EncodeToString(h.Sum(nil)[:16])}
}

// folded stands for a function's name in names of files: two names that differ by
// case alone are one on some file systems.
func folded(function string) string {
	sum := sha256.Sum256([]byte(function))
	return hex.EncodeToString(sum[:8])
}

// file is the name of the snapshot's file.
func (k Key) file() string { return k.function + "-" + k.content + suffix }

// Lease is the use of a snapshot. Release it when no instance that was restored
// from it is left.
type Lease struct {
	Snapshot *sandbox.Snapshot
	// Release ends the use; further calls do nothing.
	Release func()
}

// Module is what a snapshot is loaded for; *sandbox.Module is one.
type Module interface {
	LoadSnapshot(path string) (*sandbox.Snapshot, error)
}

// entry is a snapshot in memory, or why there is none.
type entry struct {
	ready    chan struct{} // closed when snapshot and err are set
	snapshot *sandbox.Snapshot
	err      error

	// The rest is guarded by Store.mu.
	users    int
	lastUsed time.Time
}

// Store is the set of snapshots. Its methods are safe for concurrent use.
type Store struct {
	cfg   Config
	files *files

	mu      sync.Mutex
	closed  bool
	leases  int
	entries map[Key]*entry
}

// Open opens the folder.
func Open(cfg Config) (*Store, error) {
	f, err := openFiles(cfg.Dir, cfg.MaxBytes)
	if err != nil {
		return nil, fmt.Errorf("open snapshots: %w", err)
	}
	return &Store{cfg: cfg, files: f, entries: map[Key]*entry{}}, nil
}

// ErrClosed is the answer once the store is closed.
var ErrClosed = errors.New("snapshots are closed")

// Obtain returns the snapshot from memory, or else from its file, or else as take
// takes it, and then keeps it. Callers that come meanwhile wait for the first, each
// as long as its ctx lets it. That a guest cannot be captured is remembered, and
// take is not called again; its other errors are returned and forgotten.
func (s *Store) Obtain(ctx context.Context, k Key, m Module, take func(context.Context) (*sandbox.Snapshot, error)) (*Lease, error) {
	e, mine, err := s.claim(k)
	if err != nil {
		return nil, err
	}
	if mine {
		s.fill(ctx, k, e, m, take)
	}
	select {
	case <-e.ready:
		err = e.err
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		s.release(k, e)
		return nil, err
	}
	return &Lease{Snapshot: e.snapshot, Release: sync.OnceFunc(func() { s.release(k, e) })}, nil
}

// claim finds or makes the entry and counts the caller in; mine tells that the
// caller must fill it.
func (s *Store) claim(k Key) (e *entry, mine bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, false, ErrClosed
	}
	e, found := s.entries[k]
	if !found {
		e = &entry{ready: make(chan struct{})}
		s.entries[k] = e
	}
	e.users++
	s.leases++
	return e, !found, nil
}

func (s *Store) release(k Key, e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.users--
	s.leases--
	e.lastUsed = time.Now()
	if s.entries[k] == e && e.failed() {
		delete(s.entries, k)
	}
	if e.users == 0 && (s.closed || s.entries[k] != e) { // it was forgotten while it was in use
		s.drop(e)
	}
}

// fill ends the wait of everybody who asked for the entry, come what may.
func (s *Store) fill(ctx context.Context, k Key, e *entry, m Module, take func(context.Context) (*sandbox.Snapshot, error)) {
	defer close(e.ready)
	e.err = errors.New("making a snapshot was broken off") // by a panic
	e.snapshot, e.err = s.find(ctx, k, m, take)
}

// failed tells whether there is no snapshot for a reason that may pass.
func (e *entry) failed() bool {
	select {
	case <-e.ready:
	default:
		return false // it is still being made, for others
	}
	var refused *sandbox.NotCapturableError
	return e.err != nil && !errors.As(e.err, &refused)
}

// find loads the snapshot or has it taken.
func (s *Store) find(ctx context.Context, k Key, m Module, take func(context.Context) (*sandbox.Snapshot, error)) (*sandbox.Snapshot, error) {
	log := s.cfg.Log.With().Str("snapshot", k.file()).Logger()
	if path := s.files.use(k); path != "" {
		loaded, err := m.LoadSnapshot(path)
		if err == nil {
			return loaded, nil
		}
		log.Warn().Err(err).Msg("a snapshot on disk cannot be used; it is removed and made anew")
		s.remove(k)
	}
	taken, err := take(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.files.save(k, taken); err != nil {
		// It is good for as long as the host runs.
		log.Error().Err(err).Msg("a snapshot could not be written to disk")
	}
	return taken, nil
}

// maxIdleBytes bounds the snapshots in memory that nobody uses.
const maxIdleBytes = 256 << 20

// Sweep closes snapshots in memory that had no user for longer than Config.Idle,
// and those unused for longest until the rest takes at most a quarter of a
// gigabyte. Their files stay.
func (s *Store) Sweep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	var bytes int64
	for {
		var oldest Key
		var found *entry
		bytes = 0
		for k, e := range s.entries {
			if e.users > 0 || e.snapshot == nil {
				continue
			}
			bytes += e.snapshot.Size()
			if found == nil || e.lastUsed.Before(found.lastUsed) {
				oldest, found = k, e
			}
		}
		if found == nil || (time.Since(found.lastUsed) <= s.cfg.Idle && bytes <= maxIdleBytes) {
			return
		}
		delete(s.entries, oldest)
		s.drop(found)
	}
}

// drop closes an entry's snapshot, if it has one, once nobody uses it.
func (s *Store) drop(e *entry) {
	if e.snapshot == nil {
		return
	}
	if err := e.snapshot.Close(); err != nil {
		s.cfg.Log.Error().Err(err).Msg("a snapshot did not close")
	}
	e.snapshot = nil
}

// Retain forgets and removes all snapshots of a function but these. Environments
// that use one go on.
func (s *Store) Retain(function string, keep []Key) {
	kept := make(map[Key]bool, len(keep))
	for _, k := range keep {
		kept[k] = true
	}
	name := folded(function)
	s.mu.Lock()
	for k, e := range s.entries {
		if k.function == name && !kept[k] {
			delete(s.entries, k)
			if e.users == 0 {
				s.drop(e)
			}
		}
	}
	s.mu.Unlock()
	for _, k := range s.files.of(name) {
		if !kept[k] {
			s.remove(k)
		}
	}
}

// RetainAll removes the files of every snapshot but these: those of functions that
// are gone.
func (s *Store) RetainAll(keep []Key) {
	kept := make(map[Key]bool, len(keep))
	for _, k := range keep {
		kept[k] = true
	}
	for _, k := range s.files.all() {
		if !kept[k] {
			s.remove(k)
		}
	}
}

func (s *Store) remove(k Key) {
	if err := s.files.remove(k); err != nil {
		s.cfg.Log.Error().Err(err).Str("snapshot", k.file()).Msg("a snapshot was not removed")
	}
}

// Has tells whether a function has any snapshot, in memory or on disk.
func (s *Store) Has(function string) bool {
	name := folded(function)
	s.mu.Lock()
	defer s.mu.Unlock()
	for k := range s.entries {
		if k.function == name {
			return true
		}
	}
	return len(s.files.of(name)) > 0
}

// Leases is how many are out.
func (s *Store) Leases() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.leases
}

// DiskBytes is what the files take.
func (s *Store) DiskBytes() int64 { return s.files.bytes() }

// Close closes what nobody uses, and the rest as it is released.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	var errs []error
	for k, e := range s.entries {
		if e.users == 0 && e.snapshot != nil {
			errs = append(errs, e.snapshot.Close())
			e.snapshot = nil
		}
		delete(s.entries, k)
	}
	return errors.Join(errs...)
}
