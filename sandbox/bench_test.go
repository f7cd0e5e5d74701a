package sandbox_test

import (
	"context"
	"testing"

	"github.com/lambent-host/lambent/abi/gobuild/gobuildtest"
	"github.com/lambent-host/lambent/sandbox"
)

// BenchmarkInvoke is a warm call of a guest that does nothing but echo.
func BenchmarkInvoke(b *testing.B) {
	i := start(b, newGuest().handler(echo), sandbox.InstanceConfig{})
	benchInvoke(b, i, `{"key1":"value1"}`)
}

// BenchmarkInvokeGo is a warm call of an ordinary aws-lambda-go handler.
func BenchmarkInvokeGo(b *testing.B) {
	i := start(b, gobuildtest.Function(b, "counter"), sandbox.InstanceConfig{})
	benchInvoke(b, i, `{}`)
}

func benchInvoke(b *testing.B, i *sandbox.Instance, event string) {
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := i.Invoke(ctx, sandbox.Invocation{Event: []byte(event)}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkInstantiateGo is instantiation alone, of a handler that has
// forty thousand data segments.
func BenchmarkInstantiateGo(b *testing.B) {
	m := compile(b, gobuildtest.Function(b, "hello"), defaultMemory)
	ctx := context.Background()
	for b.Loop() {
		i, err := m.Instantiate(ctx, sandbox.InstanceConfig{})
		if err != nil {
			b.Fatal(err)
		}
		if err := i.Close(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkInit is instantiation and init of the same handler.
func BenchmarkInit(b *testing.B) {
	m := compile(b, gobuildtest.Function(b, "counter"), defaultMemory)
	ctx := context.Background()
	for b.Loop() {
		i, err := m.Instantiate(ctx, sandbox.InstanceConfig{})
		if err != nil {
			b.Fatal(err)
		}
		if err := i.Init(ctx); err != nil {
			b.Fatal(err)
		}
		if err := i.Close(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCompileCached is what a host pays for a module that has been compiled
// before: check, validate, meter, and load.
func BenchmarkCompileCached(b *testing.B) {
	wasm := gobuildtest.Function(b, "counter")
	e := newEngine(b)
	ctx := context.Background()
	b.SetBytes(int64(len(wasm)))
	for b.Loop() {
		m, err := e.Compile(ctx, wasm, sandbox.Limits{MemoryBytes: defaultMemory})
		if err != nil {
			b.Fatal(err)
		}
		if err := m.Close(ctx); err != nil {
			b.Fatal(err)
		}
	}
}
