package sandbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lambent-host/lambent/abi"
)

// A Snapshot is a guest that was written down between two calls: its memory and
// its mutable globals. Any number of instances can be restored from it, and share
// the pages of its memory that they do not write to. Safe for concurrent use.
//
// Restored guests are alike in everything that was in the memory: a seed that was
// drawn before is the same in all. What they ask the host for is their own: random
// bytes, the time of day, and the monotonic clock, which goes on from where it
// stood by as much as the time of day has advanced since, and never goes back. A
// guest that exports [abi.ExportAfterRestore] can do the rest itself.
type Snapshot struct {
	image   *image
	globals []uint64
	digest  string        // of the metered module
	key     []byte        // what Save authenticates with
	clock   time.Duration // the guest's, when it was captured
	taken   time.Time
	closing sync.Once
}

// NotCapturableError says why a guest cannot be captured.
type NotCapturableError struct {
	// Reason is what there is to the guest beside memory and globals.
	Reason string
}

// Error tells the reason.
func (e *NotCapturableError) Error() string { return "the guest cannot be captured: " + e.Reason }

// ErrNotRestorable is returned when an instance is reset that was not restored.
var ErrNotRestorable = errors.New("instance was not restored from a snapshot")

// Snapshot captures an instance that is ready. A guest that exports
// [abi.ExportBeforeSnapshot] is called first, under the deadline of ctx; what it
// does wrong is a *Fault. Errors: *NotCapturableError, and those of Invoke. The
// instance can be used on, and the caller closes the snapshot.
func (i *Instance) Snapshot(ctx context.Context) (*Snapshot, error) {
	leave, err := i.enter(stateReady)
	if err != nil {
		return nil, err
	}
	defer leave()
	if i.module.kind == abi.KindCommand {
		return nil, &NotCapturableError{Reason: "a command keeps nothing between invocations"}
	}
	if err := i.prepare(ctx, abi.ExportBeforeSnapshot); err != nil {
		return nil, err
	}
	s, err := i.sit(ctx)
	if err != nil {
		return nil, err
	}
	defer i.release(ctx, s)
	if reason := s.ties(); reason != "" {
		return nil, &NotCapturableError{Reason: reason}
	}
	switch found, err := i.files.inTmp(); {
	case err != nil:
		return nil, fmt.Errorf("looking into /tmp: %w", err)
	case found:
		return nil, &NotCapturableError{Reason: "it has files in /tmp"}
	}
	return s.capture(i.clock.now())
}

// capture writes down what the seat holds.
func (s *seat) capture(clock time.Duration) (*Snapshot, error) {
	img, err := newImage(s.space().bytes(s.memorySize()))
	if err != nil {
		return nil, err
	}
	return &Snapshot{image: img, globals: s.readGlobals(), digest: s.module.digest, key: s.module.engine.cfg.CacheKey, clock: clock, taken: time.Now().Round(0)}, nil
}

// Size is how many bytes of memory the snapshot takes: those pages that are not
// zero.
func (s *Snapshot) Size() int64 { return s.image.kept }

// Close gives the memory back once no instance needs it. Closing again does
// nothing.
func (s *Snapshot) Close() (err error) {
	s.closing.Do(func() { err = s.image.release() })
	return err
}

// Restore makes an instance that is ready to be invoked, as the one was that the
// snapshot was taken of. A guest that exports [abi.ExportAfterRestore] is called
// first, under the deadline of ctx; what it does wrong is a *Fault. The snapshot
// must be of this module, and stay open meanwhile.
func (m *Module) Restore(ctx context.Context, s *Snapshot, cfg InstanceConfig) (*Instance, error) {
	if s.digest != m.digest {
		return nil, errors.New("the snapshot is of another module")
	}
	if s.image.size > m.maxMemory() {
		return nil, fmt.Errorf("the snapshot has %d bytes of memory, the limit is %d", s.image.size, m.maxMemory())
	}
	i, err := m.newInstance(cfg)
	if err != nil {
		return nil, err
	}
	i.from = &Snapshot{image: s.image.retain(), globals: s.globals, digest: s.digest, clock: s.clock, taken: s.taken}
	if err = i.become(s); err == nil {
		err = i.resume(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, i.Close(ctx))
	}
	i.cold = s.image
	return i, nil
}

// Reset makes an instance what it was when it was restored; nothing is left of
// what it has done since, in memory or in /tmp, and what it has open is closed. A
// guest that exports [abi.ExportAfterRestore] is called as by [Module.Restore].
// ErrNotRestorable if it was not restored. After any other error the instance is
// unusable.
func (i *Instance) Reset(ctx context.Context) error {
	leave, err := i.enter(stateReady)
	if err != nil {
		return err
	}
	defer leave()
	if i.from == nil {
		return ErrNotRestorable
	}
	if err := i.forget(ctx); err != nil {
		i.state = stateFaulted
		return err
	}
	return i.resume(ctx)
}

// forget makes the memory what it was. A seat that is tied to the instance is
// dropped, with all that ties it.
func (i *Instance) forget(ctx context.Context) error {
	i.rest.Lock()
	defer i.rest.Unlock()
	if !i.module.seats.part(i) {
		if err := i.module.seats.leave(i, true).close(ctx); err != nil {
			return fmt.Errorf("resetting: %w", err)
		}
	}
	if err := i.files.clearTmp(); err != nil {
		return fmt.Errorf("resetting: clearing /tmp: %w", err)
	}
	if err := i.become(i.from); err != nil {
		return fmt.Errorf("resetting: %w", err)
	}
	if i.parked != nil {
		i.cold = i.from.image
	}
	return nil
}

// become gives an instance without a seat the content of a snapshot. Where there is
// no memory yet it is set up by the first call.
func (i *Instance) become(s *Snapshot) error {
	if i.space == nil {
		i.parked = &parked{image: s.image}
	} else if err := i.space.load(s.image); err != nil {
		return err
	}
	i.size, i.globals = s.image.size, slices.Clone(s.globals)
	i.observe(i.size)
	return nil
}

// settle is called before the first call into a guest that has become what an
// image is: the first of all is watched for the pages it writes to, and the others
// find those made. Not earlier: a guest that is never called shall not have them.
func (i *Instance) settle() {
	img := i.cold
	if img == nil {
		return
	}
	i.cold = nil
	if runs := img.working.Load(); runs != nil {
		if !i.space.warm {
			i.space.populate(*runs)
		}
	} else if img.learning.CompareAndSwap(false, true) {
		i.watched = img
	}
}

// learn ends the watching.
func (i *Instance) learn() {
	if i.watched == nil {
		return
	}
	if runs, ok := i.space.written(); ok {
		i.watched.working.Store(&runs)
	}
	i.watched = nil
}

// resume makes a restored guest ready.
func (i *Instance) resume(ctx context.Context) error {
	i.state = stateReady
	i.clock = i.from.resumed(time.Now())
	if !i.module.resumes {
		return nil
	}
	return i.prepare(ctx, abi.ExportAfterRestore)
}

// resumed is the clock of a guest that goes on at a time.
func (s *Snapshot) resumed(at time.Time) clock {
	return clock{base: s.clock + max(0, at.Round(0).Sub(s.taken)), from: at}
}

// fresh is a module's guest before any code of it ran: what Instantiate makes
// instances from.
type fresh struct {
	mu       sync.Mutex
	made     bool
	snapshot *Snapshot // nil: it cannot be captured
}

// blank returns the module's guest before any code of it ran; nil if it cannot be
// captured.
func (m *Module) blank(ctx context.Context) (*Snapshot, error) {
	f := &m.fresh
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.made {
		return f.snapshot, nil
	}
	s, err := m.newSeat(ctx)
	if err != nil {
		return nil, err
	}
	if s.ties() == "" {
		if f.snapshot, err = s.capture(0); err != nil {
			return nil, errors.Join(err, s.close(ctx))
		}
		s = m.seats.blank(s)
	}
	f.made = true
	if s != nil {
		err = s.close(ctx)
	}
	return f.snapshot, err
}

func (f *fresh) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.snapshot == nil {
		return nil
	}
	return f.snapshot.Close()
}

// Prepare makes seats ahead of time, until n are there that no instance has; at
// most [MaxPrepared] are kept. A restored instance that finds one is ready in tens
// of microseconds; one that does not makes it first.
func (m *Module) Prepare(ctx context.Context, n int) error {
	for m.seats.blanks() < min(n, MaxPrepared) {
		s, err := m.newSeat(ctx)
		if err != nil {
			return err
		}
		if surplus := m.seats.blank(s); surplus != nil {
			return surplus.close(ctx)
		}
	}
	return nil
}

// MaxPrepared is how many seats of a module can be kept while nothing runs on
// them.
const MaxPrepared = maxFreeSeats
