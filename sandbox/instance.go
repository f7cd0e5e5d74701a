package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/lambent-host/lambent/abi"
	"github.com/lambent-host/lambent/sandbox/meter"
)

// InstanceConfig is what one instance gets from outside.
type InstanceConfig struct {
	// Env is the environment, each "KEY=value".
	Env []string
	// Args are the arguments, the program's name first; empty: a name alone.
	Args []string
	// Stdout and Stderr get the guest's output, synchronously, in pieces of any
	// size; they must not block. Nil: discarded. A command's standard output is
	// its response and does not go to Stdout.
	Stdout, Stderr io.Writer
	// Task is mounted read-only at /var/task; nil: nothing is.
	Task fs.FS
	// TmpDir is a folder of the host that is mounted at /tmp, writable; no path
	// or link in it leads out of it. Empty: there is no /tmp.
	TmpDir string
	// TmpBytes is the most that TmpDir may hold, 4 KiB for each name included;
	// 0: 512 MiB. Writing beyond it fails.
	TmpBytes int64
	// MaxResponseBytes limits a response; 0: abi.MaxResponseBytes.
	MaxResponseBytes int
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
	module *Module
	config wazero.ModuleConfig // of a command, completed for each run
	limit  int
	tmp    io.Closer

	busy   atomic.Bool
	peak   atomic.Uint64
	state  state
	mod    api.Module // of a reactor
	invoke api.Function
	call   *call // the running one
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
	i := &Instance{module: m, limit: cfg.MaxResponseBytes}
	if i.limit <= 0 {
		i.limit = abi.MaxResponseBytes
	}
	var err error
	if i.config, err = i.moduleConfig(cfg); err != nil {
		return nil, err
	}
	if m.kind == abi.KindReactor {
		if i.mod, err = m.runtime.InstantiateModule(withMemory(ctx), m.compiled, i.config); err != nil {
			return nil, errors.Join(fmt.Errorf("instantiating the module: %s", firstLine(err)), i.closeTmp())
		}
		i.observe(i.mod)
	}
	return i, nil
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
	c := newCall(ctx, nil, i.limit)
	for _, name := range []string{meter.ExportStart, abi.ExportInitialize, abi.ExportInit} {
		f := i.mod.ExportedFunction(name)
		if f == nil {
			continue
		}
		var stack [1]uint64
		if fault := i.run(c, i.mod, f, stack[:]); fault != nil {
			fault.Report = c.failure
			return fault
		}
		if c.failure != nil || (name == abi.ExportInit && uint32(stack[0]) != 0) {
			i.state = stateFaulted
			return initFault(c.failure, uint32(stack[0]))
		}
	}
	i.invoke = i.mod.ExportedFunction(abi.ExportInvoke)
	return nil
}

func initFault(report *FunctionError, code uint32) *Fault {
	f := &Fault{Kind: FaultInit, Report: report, Message: fmt.Sprintf("%s returned %d", abi.ExportInit, int32(code))}
	if report != nil {
		f.Message = "the function reported that its init failed"
	}
	return f
}

// run calls one function of the guest.
func (i *Instance) run(c *call, mod api.Module, f api.Function, stack []uint64) *Fault {
	var err error
	if cause := c.over(); cause != nil {
		err = &interruption{cause} // there may be fuel left from the call before
	} else {
		i.call = c
		err = f.CallWithStack(c, stack)
		i.call = nil
		i.observe(mod)
	}
	if err == nil {
		return nil
	}
	i.state = stateFaulted
	i.invoke = nil // a stack that overflowed stays as large as it became
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
	c := newCall(ctx, &inv, i.limit)
	if i.module.kind == abi.KindCommand {
		return i.runCommand(c)
	}
	stack := [1]uint64{uint64(len(inv.Event))}
	fault := i.run(c, i.mod, i.invoke, stack[:])
	if fault == nil && uint32(stack[0]) != 0 && c.failure == nil {
		c.failure = newFunctionError("Runtime.Unknown", fmt.Sprintf("%s returned %d", abi.ExportInvoke, int32(stack[0])))
	}
	return i.result(c, fault)
}

// result weighs what the guest said against how it ended.
func (i *Instance) result(c *call, fault *Fault) (Result, error) {
	if c.tooLarge && (fault == nil || fault.Unwrap() == nil) { // whatever the guest did next

		i.state = stateFaulted
		fault = &Fault{Kind: FaultResponseTooLarge, Message: fmt.Sprintf("the response is larger than %d bytes", i.limit)}
		return Result{}, fault
	}
	if fault != nil {
		return Result{Error: c.failure}, fault
	}
	if c.failure != nil {
		return Result{Error: c.failure}, nil
	}
	return Result{Payload: c.response}, nil
}

// observe notes how large the memory has become.
func (i *Instance) observe(mod api.Module) {
	if !i.module.hasMemory {
		return
	}
	i.peak.Store(max(i.peak.Load(), uint64(mod.Memory().Size())))
}

// MemoryBytes is the most linear memory the guest has had. Safe at any time.
func (i *Instance) MemoryBytes() uint64 { return i.peak.Load() }

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
	i.invoke = nil
	var err error
	if i.mod != nil {
		err = i.mod.Close(ctx)
	}
	return errors.Join(err, i.closeTmp())
}

func (i *Instance) closeTmp() error {
	if i.tmp == nil {
		return nil
	}
	return i.tmp.Close()
}
