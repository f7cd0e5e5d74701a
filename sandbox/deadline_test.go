package sandbox_test

import (
	"context"
	"crypto/sha512"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/lambent-host/lambent/sandbox"
	"github.com/lambent-host/lambent/sandbox/internal/wasmtest"
)

// stubborn are guests that never return.
func stubborn() map[string][]byte {
	sleeper := &wasmtest.Module{}
	sleeper.Import("wasi_snapshot_preview1", "poll_oneoff", "iiii>i")
	sleeper.Memory(1, -1)
	sleeper.Data(0, append(make([]byte, 24), "\x00\x00\x10\x63\x2d\x5e\xc7\x6b"...)) // a clock, in 250 years
	sleeper.Func("lambent_invoke", "i>i", "", "i32.const 0 i32.const 100 i32.const 1 i32.const 200 call 0")

	random := &wasmtest.Module{}
	random.Import("wasi_snapshot_preview1", "random_get", "ii>i")
	random.Memory(1600, -1)
	random.Func("lambent_invoke", "i>i", "", "loop > i32.const 0 i32.const 100000000 call 0 drop br 0 end unreachable")

	tree := newGuest()
	tree.Func("lambent_invoke", "i>i", "", "call 7 drop call 7")
	for n := range 60 {
		next := fmt.Sprintf("call %d", 8+n)
		tree.Func("", ">i", "", next+" drop "+next)
	}
	tree.Func("", ">i", "", "i32.const 1")

	fill := newGuest()
	big := &wasmtest.Module{}
	big.Memory(1900, 1900)
	big.Func("lambent_invoke", "i>i", "", "loop > i32.const 0 i32.const 1 i32.const 124000000 memory.fill br 0 end unreachable")

	// Two million pieces of one byte, the same one, in one call.
	pieces := &wasmtest.Module{}
	pieces.Import("wasi_snapshot_preview1", "fd_write", "iiii>i")
	pieces.Memory(300, -1)
	pieces.Func("lambent_invoke", "i>i", "ii", `loop >
		i32.const 64 local.get 1 i32.add i32.const 16 i32.store 0
		i32.const 68 local.get 1 i32.add i32.const 1 i32.store 0
		local.get 1 i32.const 8 i32.add local.tee 1 i32.const 16000000 i32.lt_u br_if 0 end
		loop > i32.const 2 i32.const 64 i32.const 2000000 i32.const 8 call 0 drop br 0 end unreachable`)

	// The host copies six megabytes for each turn of a loop of a few instructions.
	copies := &wasmtest.Module{}
	copies.Import("lambent_v1", "event_read", "iii>i")
	copies.Memory(200, -1)
	copies.Func("lambent_invoke", "i>i", "", "loop > i32.const 0 i32.const 8000000 i32.const 0 call 0 drop br 0 end unreachable")

	// g calls through the table, which leads to g.
	indirect := newGuest()
	indirect.Table('F', 1, 1)
	indirect.Func("lambent_invoke", "i>i", "", "i32.const 40 call 7")
	g := indirect.Func("", "i>i", "", fmt.Sprintf(`local.get 0 i32.eqz if > i32.const 1 return end
		local.get 0 i32.const 1 i32.sub i32.const 0 call_indirect %[1]d 0 drop
		local.get 0 i32.const 1 i32.sub i32.const 0 call_indirect %[1]d 0`, indirect.Type("i>i")))
	indirect.Elem(0, g)

	started := newGuest()
	started.Start(started.Func("", ">", "", "loop > br 0 end"))
	return map[string][]byte{
		"loop":           fill.handler("loop > br 0 end unreachable"),
		"tree":           tree.Bytes(),
		"memory.fill":    big.Bytes(),
		"sleep":          sleeper.Bytes(),
		"random":         random.Bytes(),
		"host calls":     newGuest().handler("loop > call deadline_ms i64.eqz br_if 0 br 0 end unreachable"),
		"pieces":         pieces.Bytes(),
		"copies":         copies.Bytes(),
		"indirect":       indirect.Bytes(),
		"start function": started.handler("i32.const 0"),
	}
}

// A deadline of 200 ms ends every guest soon after it, and meanwhile the garbage
// collector is not held up.
func TestDeadlineHolds(t *testing.T) {
	const bound = 2 * time.Second
	for name, wasm := range stubborn() {
		t.Run(name, func(t *testing.T) {
			i := instantiate(t, compile(t, wasm, defaultMemory), sandbox.InstanceConfig{Stderr: thorough{}})
			began := time.Now() // before the deadline is set, or it can seem to come early
			ctx := within(t, 200*time.Millisecond)
			stop, worst := make(chan struct{}), make(chan time.Duration)
			go collect(stop, worst)
			err := i.Init(ctx)
			if err == nil {
				_, err = i.Invoke(ctx, sandbox.Invocation{Event: make([]byte, 6_000_000)})
			}
			took := time.Since(began)
			close(stop)
			pause := <-worst
			mustFault(t, err, sandbox.FaultTimeout)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v is not context.DeadlineExceeded", err)
			}
			if took < 190*time.Millisecond || took > bound {
				t.Errorf("ended after %v", took)
			}
			if pause > bound {
				t.Errorf("a garbage collection took %v", pause)
			}
			t.Logf("ended after %v, longest garbage collection %v", took, pause)
		})
	}
}

// thorough takes a microsecond for each piece of output, as a log does.
type thorough struct{}

func (thorough) Write(p []byte) (int, error) {
	for range 4 {
		_ = sha512.Sum512(p)
	}
	return len(p), nil
}

// collect runs the garbage collector until stop is closed and then sends the
// longest run.
func collect(stop chan struct{}, worst chan time.Duration) {
	var longest time.Duration
	for {
		select {
		case <-stop:
			worst <- longest
			return
		default:
		}
		began := time.Now()
		runtime.GC()
		longest = max(longest, time.Since(began))
	}
}

// A guest whose time is over before it begins does not run.
func TestDeadlineInThePast(t *testing.T) {
	i := start(t, newGuest().handler("i32.const 0"), sandbox.InstanceConfig{})
	if _, err := invoke(t, i, ""); err != nil { // leaves fuel behind
		t.Fatal(err)
	}
	ctx, cancel := context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
	defer cancel()
	_, err := i.Invoke(ctx, sandbox.Invocation{})
	mustFault(t, err, sandbox.FaultTimeout)
}

// lateContext has a deadline whose timer never fires, as when every thread is
// busy with guests.
type lateContext struct {
	context.Context
	deadline time.Time
}

func (c lateContext) Deadline() (time.Time, bool) { return c.deadline, true }

func TestDeadlineDoesNotNeedTheTimer(t *testing.T) {
	for _, name := range []string{"loop", "sleep"} {
		i := start(t, stubborn()[name], sandbox.InstanceConfig{})
		ctx := lateContext{context.Background(), time.Now().Add(50 * time.Millisecond)}
		_, err := i.Invoke(ctx, sandbox.Invocation{})
		mustFault(t, err, sandbox.FaultTimeout)
	}
}

func TestCancelEndsASleep(t *testing.T) {
	i := start(t, stubborn()["sleep"], sandbox.InstanceConfig{})
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(20*time.Millisecond, cancel)
	_, err := i.Invoke(ctx, sandbox.Invocation{})
	mustFault(t, err, sandbox.FaultCanceled)
}

// Every processor runs a guest that never yields by itself, and yet each of
// them ends in time and a neighbour is served.
func TestManyStubbornGuests(t *testing.T) {
	m := compile(t, newGuest().handler("loop > br 0 end unreachable"), defaultMemory)
	neighbour := start(t, newGuest().handler(echo), sandbox.InstanceConfig{})
	n := 4 * runtime.GOMAXPROCS(0)
	ended := make(chan error, n)
	ctx := within(t, 300*time.Millisecond)
	began := time.Now()
	for range n {
		i := instantiate(t, m, sandbox.InstanceConfig{})
		if err := i.Init(context.Background()); err != nil {
			t.Fatal(err)
		}
		go func() {
			_, err := i.Invoke(ctx, sandbox.Invocation{})
			ended <- err
		}()
	}
	served := 0
	for ctx.Err() == nil {
		if res, err := invoke(t, neighbour, "x"); err != nil || string(res.Payload) != "x" {
			t.Fatal(err)
		}
		served++
		runtime.Gosched()
	}
	for range n {
		mustFault(t, <-ended, sandbox.FaultTimeout)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("ended after %v", took)
	}
	if served == 0 {
		t.Error("the neighbour was never served")
	}
	t.Logf("the neighbour was served %d times", served)
}
