// Package store keeps what Lambent must not lose: one bbolt file, written by
// one goroutine. Callers that write at the same time share a commit and so
// share its fsync; a caller that finds the writer idle is committed at once.
//
// The function catalogue and the asynchronous queue live in buckets of the same
// file, so that a change of both can be one transaction. Start with [Open] and
// [Store.Update]; the writer is in writer.go. Read next: package catalogue.
package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// ErrInUse tells that another process holds the data file.
var ErrInUse = errors.New("in use by another process")

// ErrClosed answers every call after [Store.Close].
var ErrClosed = errors.New("store is closed")

// ErrDamaged tells that the data file is not whole.
var ErrDamaged = errors.New("data file is damaged")

// Options tune a store; the zero value is meant for production.
type Options struct {
	// LockTimeout is how long Open waits for another process to let go of the
	// file; 0 means half a second.
	LockTimeout time.Duration
	// MaxGroup is the largest number of updates in one commit; 0 means 256.
	MaxGroup int
}

// mmapBytes is reserved (not used) address space: remapping a growing file must
// wait for all readers, so it is better done rarely.
const mmapBytes = 256 << 20

// Store is an open data file. Its methods are safe for concurrent use.
type Store struct {
	db       *bbolt.DB
	maxGroup int

	mu      sync.Mutex
	pending []*update
	closed  bool
	wake    chan struct{} // cap 1: pending or closed changed
	stopped chan struct{} // closed when the writer has returned

	closeOnce sync.Once
	closeErr  error
}

// Open opens or creates the file at path (mode 0600, its folder 0700) and
// starts the writer goroutine, which [Store.Close] ends. A file that another
// process holds is refused with [ErrInUse], one that is cut off or is something
// else with [ErrDamaged].
func Open(path string, opts Options) (*Store, error) {
	if opts.LockTimeout <= 0 {
		opts.LockTimeout = 500 * time.Millisecond
	}
	if opts.MaxGroup <= 0 {
		opts.MaxGroup = 256
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if err := checkLength(path, opts.LockTimeout); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout:         opts.LockTimeout,
		InitialMmapSize: mmapBytes,
		// A queue leaves many free pages behind. Kept in the file, their list
		// would be rewritten by every commit; it is rebuilt on opening instead.
		NoFreelistSync: true,
		FreelistType:   bbolt.FreelistMapType,
	})
	if err != nil {
		return nil, fmt.Errorf("open store: %w", explain(path, err))
	}
	if err := SyncDir(filepath.Dir(path)); err != nil {
		return nil, errors.Join(fmt.Errorf("open store %s: %w", path, err), db.Close())
	}
	s := &Store{
		db:       db,
		maxGroup: opts.MaxGroup,
		wake:     make(chan struct{}, 1),
		stopped:  make(chan struct{}),
	}
	go s.write()
	return s, nil
}

// checkLength refuses a file that was cut off. bbolt maps the file and would end
// the process on touching a page behind its end, and it touches all of them to
// find the free ones; opened read-only it does not.
func checkLength(path string, lockTimeout time.Duration) (err error) {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) || err == nil && info.Size() == 0 {
		return nil // to be created
	}
	if err != nil {
		return err
	}
	if least := 2 * int64(os.Getpagesize()); info.Size() < least {
		return fmt.Errorf("%w: %s has %d bytes, the least is %d", ErrDamaged, path, info.Size(), least)
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: lockTimeout})
	if err != nil {
		return explain(path, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.View(func(tx *bbolt.Tx) error {
		if info.Size() < tx.Size() {
			return fmt.Errorf("%w: %s has %d bytes, its last commit needs %d", ErrDamaged, path, info.Size(), tx.Size())
		}
		return nil
	})
}

// explain words the errors of opening that an operator meets.
func explain(path string, err error) error {
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return fmt.Errorf("%s is %w", path, ErrInUse)
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch):
		return fmt.Errorf("%w: %s: %w", ErrDamaged, path, err)
	}
	return fmt.Errorf("%s: %w", path, err)
}

// SyncDir makes the names in a folder durable: a created or renamed file
// survives a power loss only when its folder was synced too.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Update runs fn in a read-write transaction and returns when its changes are
// on disk (after fsync).
//
// An error of fn takes back what fn changed and nothing else: the transaction
// it shared with its neighbours is rolled back and run again without it. So fn
// may run more than once; it must leave everything outside the transaction as
// it was until Update has returned nil. It runs on the writer goroutine and
// must not call Update. A panic in fn is raised again in the caller.
//
// When ctx ends while the update still waits for its turn, Update returns the
// context's error and fn will not run. Once its turn has come the outcome is
// waited for, so an error of ctx always means that nothing was written.
func (s *Store) Update(ctx context.Context, fn func(tx *bbolt.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	u := &update{fn: fn, done: make(chan struct{})}
	if !s.push(u) {
		return ErrClosed
	}
	select {
	case <-u.done:
	case <-ctx.Done():
		if s.withdraw(u) {
			return ctx.Err()
		}
		<-u.done
	}
	if u.panicked != nil {
		panic(u.panicked)
	}
	return u.err
}

// View runs fn in a read-only transaction that sees everything committed so
// far. Slices from the transaction must not be used after fn has returned. A
// long View keeps old pages from being reused; it blocks no writer.
func (s *Store) View(fn func(tx *bbolt.Tx) error) error {
	err := s.db.View(fn)
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return ErrClosed
	}
	return err
}

// Close commits what was handed in before, waits for open Views and closes the
// file. Updates that come later get [ErrClosed]. It may be called again.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		s.signal()
		<-s.stopped
		if err := s.db.Close(); err != nil {
			s.closeErr = fmt.Errorf("close store: %w", err)
		}
	})
	return s.closeErr
}
