package abitest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"github.com/tetratelabs/wazero/sys"

	"github.com/lambent-host/lambent/abi"
)

// testRunner is the smallest host that keeps the contract: no limits on time
// and memory, no isolation. The product's host is package sandbox.
type testRunner struct {
	mu      sync.Mutex
	runtime wazero.Runtime
	modules map[*byte]wazero.CompiledModule // by the first byte's address: modules are shared, never copied
}

// newRunner compiles through a cache on disk, since compiling takes seconds.
func newRunner(t testing.TB) *testRunner {
	t.Helper()
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = t.TempDir()
	}
	cache, err := wazero.NewCompilationCacheWithDir(filepath.Join(dir, "lambent-test"))
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	r := &testRunner{
		runtime: wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCompilationCache(cache)),
		modules: map[*byte]wazero.CompiledModule{},
	}
	t.Cleanup(func() {
		if err := errors.Join(r.runtime.Close(ctx), cache.Close(ctx)); err != nil {
			t.Error(err)
		}
	})
	wasi_snapshot_preview1.MustInstantiate(ctx, r.runtime)
	if _, err := hostModule(r.runtime).Instantiate(ctx); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *testRunner) compile(t testing.TB, module []byte) wazero.CompiledModule {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if compiled, ok := r.modules[&module[0]]; ok {
		return compiled
	}
	compiled, err := r.runtime.CompileModule(context.Background(), module)
	if err != nil {
		t.Fatal(err)
	}
	r.modules[&module[0]] = compiled
	return compiled
}

// testInstance is one instance and the invocation that runs in it.
type testInstance struct {
	t        testing.TB
	runner   *testRunner
	compiled wazero.CompiledModule
	config   wazero.ModuleConfig
	mod      api.Module // nil for a command, which is instantiated per invocation

	inv      *Invocation
	response []byte
	document []byte
	tooLarge bool
}

type instanceKey struct{}

func (r *testRunner) Start(t testing.TB, cfg Config) Instance {
	t.Helper()
	i := &testInstance{t: t, runner: r, compiled: r.compile(t, cfg.Module)}
	i.config = wazero.NewModuleConfig().WithName("").WithArgs("function").WithStartFunctions().
		WithStdout(cfg.Stderr).WithStderr(cfg.Stderr).WithSysWalltime().WithSysNanotime().WithSysNanosleep()
	for _, pair := range cfg.Env {
		name, value, _ := bytes.Cut([]byte(pair), []byte("="))
		i.config = i.config.WithEnv(string(name), string(value))
	}
	return i
}

func (i *testInstance) command() bool {
	_, reactor := i.compiled.ExportedFunctions()[abi.ExportInvoke]
	return !reactor
}

func (i *testInstance) Init(ctx context.Context) error {
	if i.command() {
		return nil
	}
	var err error
	ctx = context.WithValue(ctx, instanceKey{}, i)
	if i.mod, err = i.runner.runtime.InstantiateModule(ctx, i.compiled, i.config); err != nil {
		return err
	}
	for _, name := range []string{abi.ExportInitialize, abi.ExportInit} {
		f := i.mod.ExportedFunction(name)
		if f == nil {
			continue
		}
		result, err := f.Call(ctx)
		if err != nil {
			return err
		}
		if name == abi.ExportInit && int32(result[0]) != 0 {
			return errors.New("lambent_init reports a failure")
		}
	}
	if i.document != nil {
		return errors.New(string(i.document))
	}
	return nil
}

func (i *testInstance) Invoke(ctx context.Context, inv Invocation) Outcome {
	ctx = context.WithValue(ctx, instanceKey{}, i)
	if i.command() {
		return i.run(ctx, inv)
	}
	i.inv, i.response, i.document, i.tooLarge = &inv, nil, nil, false
	result, err := i.mod.ExportedFunction(abi.ExportInvoke).Call(ctx, uint64(len(inv.Event)))
	i.inv = nil
	out := ended(err)
	out.Payload, out.Document = i.response, i.document
	switch {
	case i.tooLarge:
		out.Fault = errors.New("the response is too large")
	case err == nil && int32(result[0]) != 0 && out.Document == nil:
		out.Document = []byte(`{"errorType":"Runtime.Unknown","errorMessage":"no document"}`)
	}
	return out
}

// run is one run of a command.
func (i *testInstance) run(ctx context.Context, inv Invocation) Outcome {
	var stdout bytes.Buffer
	config := i.config.WithStdin(bytes.NewReader(inv.Event)).WithStdout(&stdout).WithStartFunctions(abi.ExportStart)
	mod, err := i.runner.runtime.InstantiateModule(ctx, i.compiled, config)
	if mod != nil {
		_ = mod.Close(ctx)
	}
	out := ended(err)
	if out.ExitCode == 0 {
		out.Exited = false
	}
	out.Payload = stdout.Bytes()
	return out
}

// ended tells an exit from a trap.
func ended(err error) Outcome {
	var exit *sys.ExitError
	if errors.As(err, &exit) {
		return Outcome{Exited: true, ExitCode: exit.ExitCode()}
	}
	return Outcome{Fault: err}
}

func (i *testInstance) Close(ctx context.Context) error {
	if i.mod == nil {
		return nil
	}
	return i.mod.Close(ctx)
}

// hostModule defines the imports of abi.Module.
func hostModule(runtime wazero.Runtime) wazero.HostModuleBuilder {
	builder := runtime.NewHostModuleBuilder(abi.Module)
	for name, f := range map[string]any{
		abi.ImportEventRead: func(ctx context.Context, mod api.Module, ptr, capacity, offset uint32) int32 {
			i := instance(ctx)
			to, ok := mod.Memory().Read(ptr, capacity)
			switch {
			case i.inv == nil:
				return abi.ErrState
			case !ok:
				return abi.ErrFault
			case int(offset) > len(i.inv.Event):
				return 0
			}
			// Three bytes short of all, as a host may, to see that guests go on.
			n := copy(to, i.inv.Event[offset:])
			if n > 3 {
				n -= 3
			}
			return int32(n)
		},
		abi.ImportResponseWrite: func(ctx context.Context, mod api.Module, ptr, length uint32) int32 {
			i := instance(ctx)
			from, ok := mod.Memory().Read(ptr, length)
			switch {
			case i.inv == nil || i.document != nil:
				return abi.ErrState
			case !ok:
				return abi.ErrFault
			case i.tooLarge || len(i.response)+len(from) > abi.MaxResponseBytes:
				i.tooLarge = true
				return abi.ErrTooLarge
			}
			i.response = append(i.response, from...)
			return 0
		},
		abi.ImportFail: func(ctx context.Context, mod api.Module, typePtr, typeLen, messagePtr, messageLen uint32) int32 {
			errorType, ok1 := mod.Memory().Read(typePtr, typeLen)
			message, ok2 := mod.Memory().Read(messagePtr, messageLen)
			if !ok1 || !ok2 {
				return abi.ErrFault
			}
			doc, _ := json.Marshal(map[string]string{"errorType": string(errorType), "errorMessage": string(message)})
			return instance(ctx).failed(doc)
		},
		abi.ImportFailDocument: func(ctx context.Context, mod api.Module, ptr, length uint32) int32 {
			from, ok := mod.Memory().Read(ptr, length)
			if !ok {
				return abi.ErrFault
			}
			var object map[string]any
			if json.Unmarshal(from, &object) != nil || object == nil {
				return abi.ErrInvalid
			}
			return instance(ctx).failed(bytes.Clone(from))
		},
		abi.ImportContextRead: contextRead,
		abi.ImportDeadline: func(ctx context.Context) int64 {
			if i := instance(ctx); i.inv != nil {
				return i.inv.Deadline.UnixMilli()
			}
			return 0
		},
	} {
		builder = builder.NewFunctionBuilder().WithFunc(f).Export(name)
	}
	return builder
}

func instance(ctx context.Context) *testInstance {
	return ctx.Value(instanceKey{}).(*testInstance)
}

func (i *testInstance) failed(doc []byte) int32 {
	if i.document != nil {
		return abi.ErrState
	}
	i.document, i.response = doc, nil
	return 0
}

func contextRead(ctx context.Context, mod api.Module, field, ptr, capacity uint32) int32 {
	inv := instance(ctx).inv
	if inv == nil {
		return abi.ErrState
	}
	values := map[uint32]string{
		abi.FieldRequestID: inv.RequestID, abi.FieldFunctionARN: inv.FunctionARN, abi.FieldTraceID: inv.TraceID,
		abi.FieldClientContext: inv.ClientContext, abi.FieldCognitoIdentity: inv.CognitoIdentity,
	}
	value, known := values[field]
	switch {
	case !known:
		return abi.ErrInvalid
	case len(value) <= int(capacity) && !mod.Memory().Write(ptr, []byte(value)):
		return abi.ErrFault
	}
	return int32(len(value))
}
