package sandbox

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"github.com/lambent-host/lambent/sandbox/cpu"
	"github.com/lambent-host/lambent/sandbox/meter"
)

// quantum is the fuel between two visits to the host: from 0.1 ms of Go's JSON
// encoding to 0.6 ms of an empty loop, where it was measured. A visit takes a
// third of a microsecond, so a larger quantum gains next to nothing, while
// pauses of the garbage collector, the wait of other goroutines and the overrun
// of a deadline grow with it.
const quantum = 3_000_000

// call is one call into a guest and the context that its host functions get.
// It carries no values of the caller's context.
type call struct {
	parent   context.Context
	done     <-chan struct{}
	deadline time.Time
	bounded  bool

	instance *Instance
	inv      *Invocation // nil during init
	limit    int         // of the response, in bytes
	response []byte
	failure  *FunctionError
	tooLarge bool
	refused  bool // growing the memory was refused

	fetched *fetched // the last response of http_send

	answerBegan, answerEnded time.Time // of what the guest wrote of its answer
}

func (i *Instance) newCall(ctx context.Context, inv *Invocation) *call {
	c := &call{parent: ctx, done: ctx.Done(), instance: i, inv: inv, limit: i.limit}
	c.deadline, c.bounded = ctx.Deadline()
	return c
}

// Deadline, Done, Err and Value make a call a context.Context.
func (c *call) Deadline() (time.Time, bool) { return c.deadline, c.bounded }

// Done is the caller's.
func (c *call) Done() <-chan struct{} { return c.done }

// Err is the caller's.
func (c *call) Err() error { return c.parent.Err() }

// Value finds nothing: the caller's values are none of the guest's business,
// and the engine looks for several on each call.
func (c *call) Value(any) any { return nil }

// answers notes that the guest writes a part of its answer.
func (c *call) answers() {
	c.answerEnded = time.Now()
	if c.answerBegan.IsZero() {
		c.answerBegan = c.answerEnded
	}
}

// interruption ends a guest from within a host function.
type interruption struct{ cause error }

func (i *interruption) Error() string { return i.cause.Error() }

// over tells why the call's time is over, if it is. It reads the clock itself:
// the timer behind the context may be late when all threads run guests.
func (c *call) over() error {
	if c.bounded && !time.Now().Before(c.deadline) {
		return context.DeadlineExceeded
	}
	select {
	case <-c.done:
		return c.parent.Err()
	default:
		return nil
	}
}

// checkpoint ends the guest if its time is over.
func (c *call) checkpoint() {
	if err := c.over(); err != nil {
		panic(&interruption{err})
	}
}

// patience is how long the call waits for anything.
func (c *call) patience() cpu.Patience {
	return cpu.Patience{Done: c.done, Deadline: c.deadline}
}

// yield is where a guest comes when its quantum is used up.
func (c *call) yield() {
	c.checkpoint()
	if !c.instance.account.Yield(c.patience()) {
		c.abandon()
	}
}

// abandon ends the guest while it waits.
func (c *call) abandon() { panic(&interruption{cmp.Or(c.over(), context.DeadlineExceeded)}) }

// sleep is WASI's; it ends with the call's time. Others have the CPU meanwhile.
func (c *call) sleep(d time.Duration) {
	c.instance.account.Pause()
	if c.bounded {
		d = min(d, time.Until(c.deadline))
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.done:
	}
	c.checkpoint()
	if !c.instance.account.Resume(c.patience()) {
		c.abandon()
	}
}

// randomStep bounds the random bytes that are made between two looks at the
// clock.
const randomStep = 64 << 10

func (c *call) random(p []byte) (int, error) {
	c.checkpoint()
	return rand.Read(p[:min(len(p), randomStep)])
}

// meterBuilder defines what a metered module imports.
func meterBuilder(rt wazero.Runtime) wazero.HostModuleBuilder {
	i32, i64 := []api.ValueType{api.ValueTypeI32}, []api.ValueType{api.ValueTypeI64}
	return rt.NewHostModuleBuilder(meter.ImportModule).
		NewFunctionBuilder().WithGoFunction(api.GoFunc(func(ctx context.Context, stack []uint64) {
		ctx.(*call).yield()
		stack[0] = quantum
	}), nil, i64).Export(meter.ImportYield).
		NewFunctionBuilder().WithGoFunction(api.GoFunc(func(ctx context.Context, _ []uint64) {
		ctx.(*call).refused = true
	}), i32, nil).Export(meter.ImportRefused)
}

// fault says how the guest ended that wazero reports with err.
func (c *call) fault(err error) *Fault {
	message, stack, _ := strings.Cut(err.Error(), "\nwasm stack trace:\n")
	message = strings.TrimSuffix(strings.TrimPrefix(message, "wasm error: "), " (recovered by wazero)")
	f := &Fault{Kind: FaultTrap, Message: message, Stack: cleanStack(stack)}
	var stopped *interruption
	var exit *sys.ExitError
	switch {
	case errors.As(err, &stopped):
		f.Kind, f.Message = FaultCanceled, "canceled while the guest ran"
		if errors.Is(stopped.cause, context.DeadlineExceeded) {
			f.Kind, f.Message = FaultTimeout, "the deadline passed while the guest ran"
		}
		return f
	case errors.As(err, &exit):
		f.Kind, f.ExitCode, f.Stack = FaultExit, exit.ExitCode(), ""
		f.Message = exitMessage(f.ExitCode)
	}
	if c.refused && !(f.Kind == FaultExit && f.ExitCode == 0) {
		f.Kind = FaultMemory
		f.Message = "the memory limit was reached: " + f.Message
	}
	return f
}

func cleanStack(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimPrefix(l, "\t")
	}
	return strings.Join(lines, "\n")
}
