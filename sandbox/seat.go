package sandbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/lambent-host/lambent/abi"
	"github.com/lambent-host/lambent/sandbox/meter"
)

// A seat is what an instance runs on: an instance in wazero's sense, with tables
// and function objects, which takes a millisecond and hundreds of kilobytes to
// make for a Go module. What a guest is between calls is little beside it, its
// memory and its mutable globals; so an instance keeps those and takes a seat for
// a call. Wazero's view of the memory is set to the instance's own and nothing is
// copied. Seats are shared by the instances of one module (seats.go).
//
// A seat is tied to its instance when there is more to the guest than what the
// instance keeps: open files, a table that was changed, a folder that was read.
type seat struct {
	module *Module
	mod    api.Module
	invoke api.Function
	view   *view
	// globals are the mutable ones, touched tells that they are not all.
	globals []api.MutableGlobal
	touched api.Global

	// sitter is whose memory the seat has. It changes under seats.mu, and while
	// nothing runs on the seat.
	sitter       *Instance
	scratch      *space    // what the seat was made with; nil once an instance has it
	free         bool      // it is in the list of seats
	tied         bool      // no other instance can have it
	listed       bool      // a mounted folder itself was listed
	evicted      *Instance // who had to leave for the sitter, until it is parked
	used         time.Time // when the last call on it ended
	older, newer *seat
}

// newSeat makes a seat with a memory of its own, as the module declares it.
func (m *Module) newSeat(ctx context.Context) (*seat, error) {
	s := &seat{module: m, scratch: newSpace(m.maxMemory())}
	if err := s.instantiate(ctx, s.moduleConfig()); err != nil {
		s.scratch.free()
		return nil, err
	}
	return s, nil
}

func (s *seat) instantiate(ctx context.Context, cfg wazero.ModuleConfig) (err error) {
	allocate := func(_, _ uint64) experimental.LinearMemory { return seatMemory{s} }
	ctx = experimental.WithMemoryAllocator(ctx, experimental.MemoryAllocatorFunc(allocate))
	if s.mod, err = s.module.runtime.InstantiateModule(ctx, s.module.compiled, cfg); err != nil {
		return fmt.Errorf("instantiating the module: %s", firstLine(err))
	}
	if s.view, err = viewOf(s.mod); err != nil {
		return errors.Join(err, s.mod.Close(ctx))
	}
	s.invoke = s.mod.ExportedFunction(abi.ExportInvoke)
	s.touched = s.mod.ExportedGlobal(meter.ExportTouched)
	for n := 0; ; n++ {
		g, found := s.mod.ExportedGlobal(meter.ExportGlobal(n)).(api.MutableGlobal)
		if !found {
			return nil
		}
		s.globals = append(s.globals, g)
	}
}

// seatMemory is what wazero asks for memory: the one of whoever sits there.
type seatMemory struct{ s *seat }

// Reallocate returns the first size bytes of the memory; nil if there are not as
// many.
func (m seatMemory) Reallocate(size uint64) []byte { return m.s.space().bytes(size) }

// Free does nothing: memories belong to instances.
func (m seatMemory) Free() {}

func (s *seat) space() *space {
	if s.sitter != nil {
		return s.sitter.space
	}
	return s.scratch
}

// memorySize is how large the memory is now, in bytes.
func (s *seat) memorySize() uint64 { return s.view.size() }

// sit gives the seat to an instance whose memory and globals are elsewhere.
func (s *seat) sit(i *Instance) {
	s.sitter, i.seat = i, s
	if s.scratch != nil {
		s.view.set(nil)
		s.scratch.free()
		s.scratch = nil
	}
	s.view.set(i.space.bytes(i.size))
	for n, g := range s.globals {
		g.Set(i.globals[n])
	}
}

// keep gives the memory that the seat was made with to an instance, for good.
func (s *seat) keep(i *Instance) {
	s.sitter, i.seat, s.tied = i, s, true
	i.space, s.scratch = s.scratch, nil
	i.size = s.memorySize()
}

// readGlobals returns the mutable globals.
func (s *seat) readGlobals() []uint64 {
	values := make([]uint64, len(s.globals))
	for n, g := range s.globals {
		values[n] = g.Get()
	}
	return values
}

// vacate takes the seat from its instance, and reports false, for good, if that
// cannot be.
func (s *seat) vacate() bool {
	if s.sitter == nil {
		return true
	}
	if s.tied = s.tied || s.ties() != ""; s.tied {
		return false
	}
	i := s.sitter
	i.globals, i.seat = s.readGlobals(), nil
	s.leave()
	return true
}

// leave forgets the instance.
func (s *seat) leave() {
	s.view.set(nil)
	s.sitter = nil
}

// ties says what there is to the guest beside memory and globals; "" for nothing.
func (s *seat) ties() string {
	switch {
	case s.touched.Get() != 0:
		return "it has changed a table, dropped a segment, or has globals that are references or vectors"
	case s.listed:
		return "it has listed a mounted folder by the descriptor it was started with"
	case s.sitter != nil && s.sitter.files.open.count() > 0:
		return "it has files open"
	case !s.view.preopened():
		return "it has closed a descriptor that it was started with"
	}
	return ""
}

func (s *seat) close(ctx context.Context) error {
	if s.scratch != nil {
		s.view.set(nil)
		s.scratch.free()
		s.scratch = nil
	}
	return s.mod.Close(ctx)
}
