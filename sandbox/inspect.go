package sandbox

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/lambent-host/lambent/abi"
	"github.com/lambent-host/lambent/sandbox/meter"
)

// Info is what a module says about itself.
type Info struct {
	// Kind is how it is run.
	Kind abi.Kind
	// HasMemory tells that it has a linear memory.
	HasMemory bool
	// MinMemoryBytes is the linear memory it needs from the start.
	MinMemoryBytes uint64
	// Imports is the number of functions it imports.
	Imports int
}

// Inspect checks what can be checked without compiling: the header, the caps,
// that every import exists with the right type, that the module is of a known
// kind. It does not read instructions. Errors are *ModuleError.
func Inspect(wasm []byte) (Info, error) {
	d, err := meter.Describe(wasm, meter.Limits{})
	if err != nil {
		return Info{}, asModuleError(err)
	}
	if err := checkImports(d); err != nil {
		return Info{}, err
	}
	kind, err := kindOf(d)
	if err != nil {
		return Info{}, err
	}
	return Info{Kind: kind, HasMemory: d.HasMemory, MinMemoryBytes: uint64(d.MinPages) << 16, Imports: len(d.Imports)}, nil
}

func asModuleError(err error) error {
	var refused *meter.Error
	if errors.As(err, &refused) {
		return &ModuleError{Section: refused.Section, Reason: refused.Reason}
	}
	return err
}

func checkImports(d meter.Description) error {
	known, err := knownImports()
	if err != nil {
		return err
	}
	for _, i := range d.Imports {
		want, ok := known[i.Module][i.Name]
		switch {
		case i.Kind != "function":
			return &ModuleError{Section: "import", Reason: fmt.Sprintf(
				"module imports the %s %q.%q; only functions can be imported", i.Kind, i.Module, i.Name)}
		case !ok:
			return &ModuleError{Section: "import", Reason: fmt.Sprintf(
				"module imports %q.%q, which does not exist", i.Module, i.Name)}
		case want != i.Signature:
			return &ModuleError{Section: "import", Reason: fmt.Sprintf(
				"module imports %q.%q as %s, but it is %s", i.Module, i.Name, i.Signature, want)}
		}
	}
	return nil
}

// signatures are the exports that mean something to the host.
var signatures = map[string]meter.Signature{
	abi.ExportInvoke:         "(i32) -> i32",
	abi.ExportInit:           "() -> i32",
	abi.ExportBeforeSnapshot: "() -> i32",
	abi.ExportAfterRestore:   "() -> i32",
	abi.ExportInitialize:     "() -> ()",
	abi.ExportStart:          "() -> ()",
}

func kindOf(d meter.Description) (abi.Kind, error) {
	for name, want := range signatures {
		e, ok := d.Exports[name]
		if ok && (e.Kind != "function" || e.Signature != want) {
			return 0, &ModuleError{Section: "export", Reason: fmt.Sprintf(
				"module exports %q as %s %s, but it must be a function %s", name, e.Kind, e.Signature, want)}
		}
	}
	_, reactor := d.Exports[abi.ExportInvoke]
	_, command := d.Exports[abi.ExportStart]
	if !reactor && !command {
		return 0, &ModuleError{Section: "export", Reason: fmt.Sprintf(
			"module exports neither %q (a Lambent function) nor %q (a WASI command)", abi.ExportInvoke, abi.ExportStart)}
	}
	if memory, ok := d.Exports[abi.ExportMemory]; !ok || memory.Kind != "memory" {
		if reactor || len(d.Imports) > 0 {
			return 0, &ModuleError{Section: "export", Reason: fmt.Sprintf("module exports no memory %q", abi.ExportMemory)}
		}
	}
	if reactor {
		return abi.KindReactor, nil
	}
	return abi.KindCommand, nil
}

// knownImports are the signatures of all functions that a guest may import, by
// module and name. They are taken from the host modules themselves.
var knownImports = sync.OnceValues(func() (map[string]map[string]meter.Signature, error) {
	ctx := context.Background()
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer func() { _ = rt.Close(ctx) }()
	known := map[string]map[string]meter.Signature{}
	for name, builder := range map[string]wazero.HostModuleBuilder{
		wasi_snapshot_preview1.ModuleName: wasiBuilder(rt),
		abi.Module:                        abiBuilder(rt),
	} {
		compiled, err := builder.Compile(ctx)
		if err != nil {
			return nil, fmt.Errorf("compiling the host module %s: %w", name, err)
		}
		known[name] = map[string]meter.Signature{}
		for export, def := range compiled.ExportedFunctions() {
			known[name][export] = signatureOf(def)
		}
	}
	return known, nil
})

func signatureOf(def api.FunctionDefinition) meter.Signature {
	return meter.MakeSignature(def.ParamTypes(), def.ResultTypes())
}

func wasiBuilder(rt wazero.Runtime) wazero.HostModuleBuilder {
	builder := rt.NewHostModuleBuilder(wasi_snapshot_preview1.ModuleName)
	wasi_snapshot_preview1.NewFunctionExporter().ExportFunctions(builder)
	exportStrings(builder)
	return builder
}
