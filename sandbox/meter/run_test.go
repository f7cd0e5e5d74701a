package meter_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/lambent-host/lambent/sandbox/meter"
)

const features = api.CoreFeaturesV2 | experimental.CoreFeaturesTailCall | experimental.CoreFeaturesExtendedConst

// host runs metered and plain modules in one runtime and counts the visits.
type host struct {
	t       testing.TB
	rt      wazero.Runtime
	quantum int64
	yields  int
	refused int
	stopAt  int // ends the guest at this visit; 0: never
}

var errStopped = errors.New("stopped by the test")

func newHost(t testing.TB, cfg wazero.RuntimeConfig) *host {
	ctx := context.Background()
	h := &host{t: t, rt: wazero.NewRuntimeWithConfig(ctx, cfg.WithCoreFeatures(features).WithMemoryLimitPages(1<<15)), quantum: 1000}
	t.Cleanup(func() { _ = h.rt.Close(ctx) })
	_, err := h.rt.NewHostModuleBuilder(meter.ImportModule).
		NewFunctionBuilder().WithFunc(func() int64 {
		if h.yields++; h.yields == h.stopAt {
			panic(errStopped)
		}
		return h.quantum
	}).Export(meter.ImportYield).
		NewFunctionBuilder().WithFunc(func(uint32) { h.refused++ }).Export(meter.ImportRefused).
		Instantiate(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// instantiate runs the start function of a metered module too, as
// instantiation of the plain one does.
func (h *host) instantiate(wasm []byte, name string) (api.Module, error) {
	ctx := context.Background()
	cfg := wazero.NewModuleConfig().WithName(name).WithStartFunctions()
	mod, err := h.rt.InstantiateWithConfig(ctx, wasm, cfg)
	if err != nil {
		return nil, err
	}
	if start := mod.ExportedFunction(meter.ExportStart); start != nil {
		if _, err := start.Call(ctx); err != nil {
			return mod, fmt.Errorf("start: %w", err)
		}
	}
	return mod, nil
}

func (h *host) mustInstantiate(wasm []byte) api.Module {
	h.t.Helper()
	mod, err := h.instantiate(wasm, "")
	if err != nil {
		h.t.Fatal(err)
	}
	return mod
}

func rewrite(t testing.TB, wasm []byte) []byte {
	t.Helper()
	out, _, err := meter.Rewrite(wasm, meter.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
