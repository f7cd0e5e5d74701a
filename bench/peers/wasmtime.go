//go:build cgo

package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/bytecodealliance/wasmtime-go/v39"

	"github.com/lambent-host/lambent/bench/metering"
)

// interruption is one of wasmtime's ways.
type interruption int

const (
	none interruption = iota
	fuel
	epoch
)

// tick is how often the epoch is advanced, as a host that interrupts guests would.
const tick = time.Millisecond

const wasmtimePlain = "wasmtime"

func wasmtimeEngines() ([]metering.Engine, error) {
	return []metering.Engine{
		wasmtimeEngine{wasmtimePlain, none},
		wasmtimeEngine{"wasmtime fuel", fuel},
		wasmtimeEngine{"wasmtime epoch", epoch},
	}, nil
}

type wasmtimeEngine struct {
	name string
	by   interruption
}

// Name implements metering.Engine.
func (e wasmtimeEngine) Name() string { return e.name }

// Base implements metering.Engine.
func (e wasmtimeEngine) Base() string { return wasmtimePlain }

type wasmtimeInstance struct {
	engine   *wasmtime.Engine
	store    *wasmtime.Store
	instance *wasmtime.Instance
	by       interruption
	stop     func()
}

// Load implements metering.Engine.
func (e wasmtimeEngine) Load(_ context.Context, wasm []byte) (metering.Instance, error) {
	cfg := wasmtime.NewConfig()
	cfg.SetConsumeFuel(e.by == fuel)
	cfg.SetEpochInterruption(e.by == epoch)
	i := &wasmtimeInstance{engine: wasmtime.NewEngineWithConfig(cfg), by: e.by, stop: func() {}}
	i.store = wasmtime.NewStore(i.engine)
	i.store.SetWasi(wasmtime.NewWasiConfig())
	if e.by == epoch {
		i.store.SetEpochDeadline(1 << 40)
		i.stop = i.advance()
	}
	if err := i.open(wasm); err != nil {
		_ = i.Close() // what went wrong before matters
		return nil, err
	}
	return i, nil
}

func (i *wasmtimeInstance) open(wasm []byte) error {
	module, err := wasmtime.NewModule(i.engine, wasm)
	if err != nil {
		return err
	}
	linker := wasmtime.NewLinker(i.engine)
	if err := linker.DefineWasi(); err != nil {
		return err
	}
	if err := i.refill(); err != nil {
		return err
	}
	if i.instance, err = linker.Instantiate(i.store, module); err != nil {
		return err
	}
	if start := i.instance.GetFunc(i.store, "_initialize"); start != nil {
		_, err = start.Call(i.store)
	}
	return err
}

// advance moves the epoch on until the function that it returns is called.
func (i *wasmtimeInstance) advance() (stop func()) {
	done := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		t := time.NewTicker(tick)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				i.engine.IncrementEpoch()
			case <-done:
				return
			}
		}
	})
	return func() {
		close(done)
		group.Wait()
	}
}

func (i *wasmtimeInstance) refill() error {
	if i.by != fuel {
		return nil
	}
	return i.store.SetFuel(1 << 60)
}

// Call implements metering.Instance.
func (i *wasmtimeInstance) Call(name string, n uint64) (uint64, error) {
	f := i.instance.GetFunc(i.store, name)
	if f == nil {
		return 0, fmt.Errorf("the module does not export %s", name)
	}
	if err := i.refill(); err != nil {
		return 0, err
	}
	result, err := f.Call(i.store, int32(n))
	if err != nil {
		return 0, err
	}
	v, ok := result.(int32)
	if !ok {
		return 0, fmt.Errorf("%s returns a %T", name, result)
	}
	return uint64(uint32(v)), nil
}

// Close implements metering.Instance.
func (i *wasmtimeInstance) Close() error {
	i.stop()
	i.store.Close()
	i.engine.Close()
	return nil
}
