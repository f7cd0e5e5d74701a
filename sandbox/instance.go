package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/lambent-host/lambent/abi"
	"github.com/lambent-host/lambent/sandbox/cpu"
	"github.com/lambent-host/lambent/sandbox/meter"
)

// InstanceConfig is what one instance gets from outside.
type InstanceConfig struct {
	// Env is the environment, each "KEY=value". A restored guest has the one of
	// the guest that was captured in its memory, if its runtime has read it.
	Env []string
	// Args are the arguments, the program's name first; empty: a name alone.
	Args []string
	// Stdout and Stderr get the guest's output, synchronously, in pieces of any
	// size; they must not block. Nil: discarded. A command's standard output is
	// its response and does not go to Stdout.
	Stdout, Stderr io.Writer
	// Task is mounted read-only at /var/task; nil: nothing is.
	Task fs.FS
	// Opt is mounted read-only at /opt; nil: nothing is. Its links must not lead
	// out of it: [os.Root] has such a file system.
	Opt fs.FS
	// TmpDir is a folder of the host that is mounted at /tmp, writable; no path
	// or link in it leads out of it. Empty: there is no /tmp.
	TmpDir string
	// TmpBytes is the most that TmpDir may hold, 4 KiB for each name included;
	// 0: 512 MiB. Writing beyond it fails.
	TmpBytes int64
	// Fetch sends the HTTP requests of the guest; nil: it may send none.
	Fetch Fetcher
	// MaxResponseBytes limits a response; 0: abi.MaxResponseBytes.
	MaxResponseBytes int
	// CPUShare is what the guest is owed of the CPUs when not everybody can run at
	// once, in CPUs: 0.5 is half of one. 0, and more than one, is one.
	CPUShare float64
	// CPUQuota limits it to that share in its invocations, also when nobody else
	// wants to run. Init is not limited.
	CPUQuota bool
}

// Invocation is one event and its context.
type Invocation struct {
	// Event is the payload; it is not changed and not kept.
	Event []byte
	// RequestID and the others are what the guest reads as its context.
	RequestID, FunctionARN, TraceID, ClientContext, CognitoIdentity string
	// Deadline is what the guest is told; what is enforced is the deadline of
	// the context given to Invoke.
	Deadline time.Time
}

// Result is what a guest returned.
type Result struct {
	// Payload is the response; nil when Error is set.
	Payload []byte
	// Error is set when the guest reported that it failed.
	Error *FunctionError
	// AnswerBegan and AnswerEnded are when the guest wrote the first and the last
	// part of its response, or of its error; zero if it wrote none.
	AnswerBegan, AnswerEnded time.Time
}

// FunctionError is a failure that the guest itself reported.
type FunctionError struct {
	// Type is the errorType of the document.
	Type string
	// Document is the JSON object {errorMessage, errorType, stackTrace?}, as
	// the guest wrote it.
	Document []byte
}

// Instance is one running module. One call at a time: a second one made
// meanwhile gets ErrBusy.
type Instance struct {
	module  *Module
	limit   int
	files   surroundings
	clock   clock
	account *cpu.Account
	fetch   Fetcher

	busy          atomic.Bool
	peak          atomic.Uint64
	state         state
	call          *call     // the running one
	from          *Snapshot // what Reset goes back to; nil: nothing
	cold, watched *image    // see settle

	// What a reactor is between calls. Under rest it gets a seat, and its memory is
	// taken down or set up.
	rest    sync.Mutex
	parked  *parked // where it has no space
	space   *space
	size    uint64   // of the memory, in bytes
	globals []uint64 // where it has no seat; changed under seats.mu
	seat    *seat    // likewise
}

type state uint8

const (
	stateNew state = iota
	stateReady
	stateFaulted
	stateClosed
)

// Instantiate makes an instance. No guest code runs before Init. The caller
// closes the instance.
func (m *Module) Instantiate(ctx context.Context, cfg InstanceConfig) (*Instance, error) {
	i, err := m.newInstance(cfg)
	if err != nil || m.kind == abi.KindCommand {
		return i, err
	}
	blank, err := m.blank(ctx)
	switch {
	case err != nil:
	case blank != nil:
		err = i.become(blank)
		i.cold = blank.image
	default: // it cannot be copied: a seat for life
		var s *seat
		if s, err = m.newSeat(ctx); err == nil {
			s.keep(i)
		}
	}
	if err != nil {
		return nil, errors.Join(err, i.files.close())
	}
	i.observe(i.size)
	return i, nil
}

func (m *Module) newInstance(cfg InstanceConfig) (*Instance, error) {
	i := &Instance{module: m, limit: cfg.MaxResponseBytes, clock: newClock(), fetch: cfg.Fetch}
	i.account = m.engine.scheduler.NewAccount(cfg.CPUShare, cfg.CPUQuota)
	if i.limit <= 0 {
		i.limit = abi.MaxResponseBytes
	}
	return i, i.surround(cfg)
}

// sit takes a seat for a call; release gives it back.
func (i *Instance) sit(ctx context.Context) (*seat, error) {
	i.rest.Lock()
	defer i.rest.Unlock()
	if err := i.wake(); err != nil {
		return nil, err
	}
	s := i.module.seats.claim(i)
	if s == nil {
		var err error
		if s, err = i.module.newSeat(ctx); err != nil {
			return nil, err
		}
		i.module.seats.take(i, s)
	}
	i.settle()
	return s, nil
}

// release gives the seat back after a call, and drops it after a fault. Who has
// lost a seat on the way is parked now that the call is over.
func (i *Instance) release(ctx context.Context, s *seat) {
	i.learn()
	lost := s.evicted
	s.evicted = nil
	surplus := i.module.seats.release
	if i.state == stateFaulted {
		surplus = func(*seat) *seat { return i.module.seats.leave(i, true) }
	}
	if s = surplus(s); s != nil {
		if s.evicted != nil {
			s.evicted.park()
		}
		_ = s.close(ctx) // nobody is left to whom it matters
	}
	if lost != nil {
		lost.park()
	}
}

// enter begins a call; the function returned ends it.
func (i *Instance) enter(want state) (func(), error) {
	if !i.busy.CompareAndSwap(false, true) {
		return nil, ErrBusy
	}
	if i.state != want {
		defer i.busy.Store(false)
		switch i.state {
		case stateFaulted:
			return nil, ErrFaulted
		case stateClosed:
			return nil, fmt.Errorf("instance: %w", ErrClosed)
		case stateNew:
			return nil, fmt.Errorf("Invoke before Init: %w", ErrState)
		}
		return nil, fmt.Errorf("Init called twice: %w", ErrState)
	}
	return func() { i.busy.Store(false) }, nil
}

// Init runs the guest's own start: the start function, _initialize,
// lambent_init. For a command there is nothing to do. It ends at the deadline of
// ctx. What the guest does wrong is a *Fault, and the instance is unusable then.
func (i *Instance) Init(ctx context.Context) error {
	leave, err := i.enter(stateNew)
	if err != nil {
		return err
	}
	defer leave()
	i.state = stateReady
	if i.module.kind == abi.KindCommand {
		return nil
	}
	return i.prepare(ctx, meter.ExportStart, abi.ExportInitialize, abi.ExportInit)
}

// prepare runs those of the guest's exports that there are, of which the last may
// return a code that is not zero: the guest is not ready then.
func (i *Instance) prepare(ctx context.Context, exports ...string) error {
	s, err := i.sit(ctx)
	if err != nil {
		return err
	}
	defer i.release(ctx, s)
	c := i.newCall(ctx, nil)
	for n, name := range exports {
		f := s.mod.ExportedFunction(name)
		if f == nil {
			continue
		}
		var stack [1]uint64
		if fault := i.run(c, s, f, stack[:]); fault != nil {
			fault.Report = c.failure
			return fault
		}
		if c.failure != nil || (n == len(exports)-1 && uint32(stack[0]) != 0) {
			i.state = stateFaulted
			return initFault(name, c.failure, uint32(stack[0]))
		}
	}
	return nil
}

func initFault(export string, report *FunctionError, code uint32) *Fault {
	f := &Fault{Kind: FaultInit, Report: report, Message: fmt.Sprintf("%s returned %d", export, int32(code))}
	if report != nil {
		f.Message = "the function reported that its init failed"
	}
	return f
}

// run calls one function of the guest on its seat.
func (i *Instance) run(c *call, s *seat, f api.Function, stack []uint64) *Fault {
	var err error
	if cause := c.over(); cause != nil {
		err = &interruption{cause} // there may be fuel left from the call before
	} else {
		i.call = c
		if i.account.Start(c.patience(), c.inv == nil) {
			err = f.CallWithStack(c, stack)
		} else {
			err = &interruption{cmp.Or(c.over(), context.DeadlineExceeded)}
		}
		i.account.Stop()
		i.call = nil
		i.size = s.memorySize()
		i.observe(i.size)
	}
	if err == nil {
		return nil
	}
	i.state = stateFaulted
	return c.fault(err)
}

// Invoke runs one event. The deadline of ctx is enforced whatever the guest
// does. An error is a *Fault (or ErrBusy, ErrFaulted, ErrState, ErrClosed when
// nothing ran), and after a Fault the instance is unusable. A guest that reported
// its failure and then exited gets both a Result and a Fault.
func (i *Instance) Invoke(ctx context.Context, inv Invocation) (Result, error) {
	leave, err := i.enter(stateReady)
	if err != nil {
		return Result{}, err
	}
	defer leave()
	c := i.newCall(ctx, &inv)
	if i.module.kind == abi.KindCommand {
		return i.runCommand(c)
	}
	s, err := i.sit(ctx)
	if err != nil {
		return Result{}, err
	}
	defer i.release(ctx, s)
	stack := [1]uint64{uint64(len(inv.Event))}
	fault := i.run(c, s, s.invoke, stack[:])
	if fault == nil && uint32(stack[0]) != 0 && c.failure == nil {
		c.failure = newFunctionError("Runtime.Unknown", fmt.Sprintf("%s returned %d", abi.ExportInvoke, int32(stack[0])))
	}
	return i.result(c, fault)
}

// result weighs what the guest said against how it ended.
func (i *Instance) result(c *call, fault *Fault) (Result, error) {
	r := Result{AnswerBegan: c.answerBegan, AnswerEnded: c.answerEnded}
	if c.tooLarge && (fault == nil || fault.Unwrap() == nil) { // whatever the guest did next

		i.state = stateFaulted
		fault = &Fault{Kind: FaultResponseTooLarge, Message: fmt.Sprintf("the response is larger than %d bytes", i.limit)}
		return r, fault
	}
	if r.Error = c.failure; fault != nil {
		return r, fault
	}
	if c.failure == nil {
		r.Payload = c.response
	}
	return r, nil
}

// observe notes how large the memory has become.
func (i *Instance) observe(size uint64) { i.peak.Store(max(i.peak.Load(), size)) }

// MemoryBytes is the most linear memory the guest has had. Safe at any time.
func (i *Instance) MemoryBytes() uint64 { return i.peak.Load() }

// CPUTime is the CPU time that the guest has used, in all its calls; that of a
// running call counts up to its last visit to the host. Safe at any time.
func (i *Instance) CPUTime() time.Duration { return i.account.Used() }

// Close ends the instance and returns its memory. No call may be running.
// Closing again does nothing.
func (i *Instance) Close(ctx context.Context) error {
	if !i.busy.CompareAndSwap(false, true) {
		return ErrBusy
	}
	defer i.busy.Store(false)
	if i.state == stateClosed {
		return nil
	}
	i.state = stateClosed
	i.rest.Lock()
	defer i.rest.Unlock()
	var errs []error
	if s := i.module.seats.leave(i, false); s != nil {
		errs = append(errs, s.close(ctx))
	}
	i.dropSpace()
	i.parked = nil
	if i.from != nil {
		errs = append(errs, i.from.image.release())
	}
	return errors.Join(append(errs, i.files.close())...)
}

// dropSpace gives the memory back, or to the instances that come after.
func (i *Instance) dropSpace() {
	s := i.space
	if i.space = nil; s == nil {
		return
	}
	if s.image != nil {
		s.image.keep(s)
		return
	}
	s.free()
}
