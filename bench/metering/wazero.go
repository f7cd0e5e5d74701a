package metering

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/lambent-host/lambent/sandbox/meter"
)

// Names of wazero's three ways.
const (
	NamePlain       = "wazero"
	NameMetered     = "lambent metered"
	NameContextDone = "wazero ctx-done"
)

// quantum is package sandbox's, and so are the features.
const (
	quantum  = 3_000_000
	features = api.CoreFeaturesV2 | experimental.CoreFeaturesTailCall | experimental.CoreFeaturesExtendedConst
)

type wazeroEngine struct {
	name    string
	metered bool
	ctxDone bool
}

// Plain is wazero as it is: a guest cannot be interrupted.
func Plain() Engine { return wazeroEngine{name: NamePlain} }

// Metered is wazero with modules rewritten by package meter.
func Metered() Engine { return wazeroEngine{name: NameMetered, metered: true} }

// ContextDone is wazero with WithCloseOnContextDone.
func ContextDone() Engine { return wazeroEngine{name: NameContextDone, ctxDone: true} }

func (e wazeroEngine) Name() string { return e.name }
func (e wazeroEngine) Base() string { return NamePlain }

type wazeroInstance struct {
	ctx    context.Context
	cancel context.CancelFunc
	rt     wazero.Runtime
	mod    api.Module
	yields uint64
}

// Load compiles anew: there is no cache.
func (e wazeroEngine) Load(ctx context.Context, wasm []byte) (_ Instance, err error) {
	if e.metered {
		if wasm, _, err = meter.Rewrite(wasm, meter.Options{}); err != nil {
			return nil, err
		}
	}
	cfg := wazero.NewRuntimeConfigCompiler().WithCoreFeatures(features).WithCloseOnContextDone(e.ctxDone)
	i := &wazeroInstance{rt: wazero.NewRuntimeWithConfig(ctx, cfg)}
	i.ctx, i.cancel = context.WithTimeout(ctx, time.Hour) // that wazero has something to watch
	defer func() {
		if err != nil {
			_ = i.Close() // what went wrong before matters
		}
	}()
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, i.rt); err != nil {
		return nil, err
	}
	_, err = i.rt.NewHostModuleBuilder(meter.ImportModule).
		NewFunctionBuilder().WithGoFunction(api.GoFunc(func(_ context.Context, stack []uint64) {
		i.yields++
		stack[0] = quantum
	}), nil, []api.ValueType{api.ValueTypeI64}).Export(meter.ImportYield).
		NewFunctionBuilder().WithGoFunction(api.GoFunc(func(context.Context, []uint64) {}), []api.ValueType{api.ValueTypeI32}, nil).
		Export(meter.ImportRefused).Instantiate(ctx)
	if err != nil {
		return nil, err
	}
	i.mod, err = i.rt.InstantiateWithConfig(ctx, wasm, wazero.NewModuleConfig().WithName("").WithStartFunctions("_initialize").WithSysNanotime().WithSysWalltime())
	return i, err
}

// Call implements [Instance].
func (i *wazeroInstance) Call(name string, n uint64) (uint64, error) {
	f := i.mod.ExportedFunction(name)
	if f == nil {
		return 0, fmt.Errorf("the module does not export %s", name)
	}
	results, err := f.Call(i.ctx, n)
	if err != nil {
		return 0, err
	}
	return results[0], nil
}

// Close implements [Instance].
func (i *wazeroInstance) Close() error {
	i.cancel()
	return i.rt.Close(context.WithoutCancel(i.ctx))
}

func (i *wazeroInstance) visits() uint64 { return i.yields }
func (i *wazeroInstance) forget()        { i.yields = 0 }

// measureCompiling times rewriting and compiling, in turns.
func measureCompiling(ctx context.Context, language string, wasm []byte, rounds int) (Module, error) {
	m := Module{Language: language, Bytes: len(wasm)}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var rewriting, plain, metered, share, growth []float64
	for range rounds {
		before := threadTime()
		out, report, err := meter.Rewrite(wasm, meter.Options{})
		if err != nil {
			return Module{}, err
		}
		r := seconds(threadTime() - before)
		m.MeteredBytes, m.Charges = len(out), report.Charges
		p, err := compileTime(ctx, wasm)
		if err != nil {
			return Module{}, err
		}
		q, err := compileTime(ctx, out)
		if err != nil {
			return Module{}, err
		}
		rewriting, plain, metered = append(rewriting, r*1e3), append(plain, p*1e3), append(metered, q*1e3)
		share, growth = append(share, r/p), append(growth, q/p)
	}
	m.fill(rewriting, plain, metered, share, growth)
	return m, nil
}

func compileTime(ctx context.Context, wasm []byte) (float64, error) {
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler().WithCoreFeatures(features))
	before := threadTime()
	_, err := rt.CompileModule(ctx, wasm)
	took := seconds(threadTime() - before)
	if closing := rt.Close(ctx); err == nil {
		err = closing
	}
	return took, err
}

func seconds(d time.Duration) float64 { return max(d.Seconds(), 1e-9) }
