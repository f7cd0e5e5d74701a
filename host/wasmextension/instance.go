package wasmextension

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/sandbox"
	"github.com/lambent-host/lambent/telemetry"
)

// memoryPerCPU is the MemorySize, in MB, at which an extension has one whole CPU, as
// a function has.
const memoryPerCPU = 1769

// initTimeout bounds the init of an instance.
const initTimeout = 10 * time.Second

// runner has one instance of an extension's module, made when it is needed and made
// anew when it has faulted.
type runner struct {
	x       *extension
	engine  *sandbox.Engine
	env     []string
	fetcher *fetcher
	output  []*telemetry.LineWriter // standard output and error
	ready   chan struct{}           // closed when compile has ended

	mu       sync.Mutex // one batch at a time
	module   *sandbox.Module
	failed   error // why there is no module
	instance *sandbox.Instance
}

func newRunner(x *extension, cfg Config) *runner {
	r := &runner{x: x, engine: cfg.Engine, fetcher: newFetcher(x.manifest), ready: make(chan struct{})}
	for range 2 { // half a line on one must not be completed by the other
		r.output = append(r.output, telemetry.NewLineWriter(x.stream, telemetry.TypeExtension))
	}
	r.env = []string{"AWS_REGION=" + cfg.Region, "LAMBENT_EXTENSION_SCOPE=wasm"}
	for name, value := range x.manifest.Environment {
		r.env = append(r.env, name+"="+value)
	}
	return r
}

// compile loads the module, or has a child process compile it, as a function's.
func (r *runner) compile(ctx context.Context) {
	defer close(r.ready)
	wasm, err := os.ReadFile(r.x.path)
	if err == nil {
		limits := sandbox.Limits{MemoryBytes: uint64(r.x.manifest.MemorySize) << 20}
		r.module, err = r.engine.Cached(ctx, wasm, limits)
		if errors.Is(err, sandbox.ErrNotCached) {
			r.module, err = r.engine.Publish(ctx, wasm, limits)
		}
	}
	if r.failed = err; err != nil && ctx.Err() == nil {
		r.x.log.Error().Err(err).Msg("a WASM extension cannot run")
	}
}

// send has the extension take a batch.
func (r *runner) send(ctx context.Context, body []byte) error {
	select {
	case <-r.ready:
	case <-ctx.Done():
		return ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(r.x.manifest.Timeout)*time.Second)
	defer cancel()
	return r.invoke(ctx, body)
}

// invoke runs one event in the instance.
func (r *runner) invoke(ctx context.Context, event []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed != nil {
		return r.failed
	}
	defer r.flush()
	if r.instance == nil {
		if err := r.instantiate(ctx); err != nil {
			return err
		}
	}
	deadline, _ := ctx.Deadline()
	res, err := r.instance.Invoke(ctx, sandbox.Invocation{Event: event, RequestID: uuid.NewString(), Deadline: deadline})
	switch {
	case err != nil:
		r.drop(ctx)
		return fmt.Errorf("the extension has faulted: %w", err)
	case res.Error != nil:
		return fmt.Errorf("the extension has failed: %s", res.Error.Document)
	}
	return nil
}

// flush tells what was written without an end of line.
func (r *runner) flush() {
	for _, lines := range r.output {
		lines.Flush()
	}
}

func (r *runner) instantiate(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, initTimeout)
	defer cancel()
	instance, err := r.module.Instantiate(ctx, sandbox.InstanceConfig{
		Env: r.env, Args: []string{r.x.name}, Stdout: r.output[0], Stderr: r.output[1], Fetch: r.fetcher,
		CPUShare: float64(r.x.manifest.MemorySize) / memoryPerCPU, CPUQuota: true,
	})
	if err != nil {
		return err
	}
	r.instance = instance
	if err := instance.Init(ctx); err != nil {
		r.drop(ctx)
		return fmt.Errorf("the extension's init has failed: %w", err)
	}
	return nil
}

// drop closes the instance. It is called with the lock.
func (r *runner) drop(ctx context.Context) {
	if r.instance == nil {
		return
	}
	if err := r.instance.Close(context.WithoutCancel(ctx)); err != nil {
		r.x.log.Warn().Err(err).Msg("an instance did not close cleanly")
	}
	r.instance = nil
}

// end tells the extension that no batch comes any more, and frees it.
func (r *runner) end(ctx context.Context) error {
	<-r.ready
	if r.module == nil {
		r.fetcher.close()
		return nil
	}
	deadline, _ := ctx.Deadline()
	event, err := json.Marshal(extapi.Event{EventType: extapi.Shutdown, DeadlineMs: deadline.UnixMilli(), ShutdownReason: extapi.ReasonSpindown})
	if err != nil {
		return err
	}
	r.mu.Lock()
	begun := r.instance != nil
	r.mu.Unlock()
	if begun { // one that has seen nothing has nothing to end
		if err := r.invoke(ctx, event); err != nil {
			r.x.log.Warn().Err(err).Msg("a WASM extension did not end well")
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop(ctx)
	r.fetcher.close()
	return r.module.Close(context.WithoutCancel(ctx))
}
