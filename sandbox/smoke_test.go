package sandbox_test

import (
	"context"
	"testing"
	"time"

	"github.com/lambent-host/lambent/sandbox"
	"github.com/lambent-host/lambent/sandbox/internal/wasmtest"
)

func TestSmoke(t *testing.T) {
	ctx := context.Background()
	e, err := sandbox.New(ctx, sandbox.Config{})
	if err != nil {
		t.Fatal(err)
	}
	m := &wasmtest.Module{}
	read := m.Import("lambent_v1", "event_read", "iii>i")
	_ = read
	write := m.Import("lambent_v1", "response_write", "ii>i")
	_ = write
	m.Memory(1, -1)
	m.Func("lambent_invoke", "i>i", "", "i32.const 0 local.get 0 i32.const 0 call 0 drop i32.const 0 local.get 0 call 1")
	mod, err := e.Compile(ctx, m.Bytes(), sandbox.Limits{MemoryBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	inst, err := mod.Instantiate(ctx, sandbox.InstanceConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if err := inst.Init(ctx); err != nil {
		t.Fatal(err)
	}
	res, err := inst.Invoke(ctx, sandbox.Invocation{Event: []byte("hello")})
	t.Log(string(res.Payload), res.Error, err)

	m = &wasmtest.Module{}
	m.Memory(1, -1)
	m.Func("lambent_invoke", "i>i", "", "loop > br 0 end i32.const 0")
	mod, err = e.Compile(ctx, m.Bytes(), sandbox.Limits{MemoryBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	inst, err = mod.Instantiate(ctx, sandbox.InstanceConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if err := inst.Init(ctx); err != nil {
		t.Fatal(err)
	}
	c, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err = inst.Invoke(c, sandbox.Invocation{Event: []byte("hello")})
	t.Log(time.Since(start), err, err.(*sandbox.Fault).Stack)
	if err := e.Close(ctx); err != nil {
		t.Fatal(err)
	}
}
