package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/lambent-host/lambent/abi"
	"github.com/lambent-host/lambent/sandbox/meter"
)

// preparedVersion is raised when [Prepare] makes something else of a module than
// before, or [Prepared] changes its meaning, while the meter and the engine are
// the same. What was prepared under another number is not found any more.
const preparedVersion = 1

// meteredFile is the name of the metered module in a prepared folder; the machine
// code lies in a folder of the engine's own beside it.
const meteredFile = "module.wasm"

// Prepared tells what is in a folder that [Prepare] has filled. It travels as JSON
// and is kept with the folder.
type Prepared struct {
	Kind           abi.Kind `json:"kind"`
	HasMemory      bool     `json:"hasMemory"`
	MinMemoryBytes uint64   `json:"minMemoryBytes"`
	// Checking, Metering and Compiling are how long the steps took.
	Checking  time.Duration `json:"checking"`
	Metering  time.Duration `json:"metering"`
	Compiling time.Duration `json:"compiling"`
}

// Preparer has a module prepared: it does what [Prepare] does into dir, an empty
// folder. It returns when ctx ends. A module that is at fault is a *ModuleError;
// other errors are the host's.
type Preparer func(ctx context.Context, wasm []byte, dir string) (Prepared, error)

// PrepareHere is the Preparer that works in the caller's process, with one worker:
// for tests and measurements, see [Engine.Compile].
func PrepareHere(ctx context.Context, wasm []byte, dir string) (Prepared, error) {
	return Prepare(ctx, wasm, dir, 1)
}

// Prepare checks, validates, meters and compiles a module, and leaves in dir what
// can be loaded. It is what a child process does: a hostile module can use up the
// process's memory, and with more than one worker a compiler that fails ends the
// process. The wasm bytes are not changed and not kept.
func Prepare(ctx context.Context, wasm []byte, dir string, workers int) (p Prepared, err error) {
	p, metered, err := meterModule(ctx, wasm)
	if err != nil {
		return Prepared{}, err
	}
	if err := os.WriteFile(filepath.Join(dir, meteredFile), metered, 0o600); err != nil {
		return Prepared{}, fmt.Errorf("writing the metered module: %w", err)
	}
	began := time.Now()
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		return Prepared{}, fmt.Errorf("opening the folder for machine code: %w", err)
	}
	defer func() { err = errors.Join(err, cache.Close(ctx)) }()
	rt, err := newRuntime(ctx, cache, maxPages)
	if err != nil {
		return Prepared{}, err
	}
	defer func() { err = errors.Join(err, rt.Close(ctx)) }()
	if workers > 1 {
		ctx = experimental.WithCompilationWorkers(ctx, workers)
	}
	if _, err := compileIn(ctx, rt, metered); err != nil {
		return Prepared{}, err
	}
	p.Compiling = time.Since(began)
	return p, nil
}

// meterModule is what comes before compiling.
func meterModule(ctx context.Context, wasm []byte) (Prepared, []byte, error) {
	began := time.Now()
	info, err := Inspect(wasm)
	if err != nil {
		return Prepared{}, nil, err
	}
	if err := validate(ctx, wasm); err != nil {
		return Prepared{}, nil, err
	}
	checked := time.Now()
	metered, _, err := meter.Rewrite(wasm, meter.Options{})
	if err != nil {
		return Prepared{}, nil, asModuleError(err)
	}
	return Prepared{
		Kind: info.Kind, HasMemory: info.HasMemory, MinMemoryBytes: info.MinMemoryBytes,
		Checking: checked.Sub(began), Metering: time.Since(checked),
	}, metered, nil
}

// fits tells whether the module can start under the limits.
func (p Prepared) fits(limits Limits) error {
	if p.MinMemoryBytes <= uint64(limits.pages())*pageBytes {
		return nil
	}
	return &ModuleError{Section: "memory", Reason: fmt.Sprintf(
		"module needs %d bytes of memory from the start, the limit is %d", p.MinMemoryBytes, limits.MemoryBytes)}
}
