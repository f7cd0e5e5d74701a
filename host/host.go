// Package host is the program: it wires the rooms together and starts and stops
// them in order. [New] opens, [Host.Run] serves, [Host.Shutdown] is the wiring
// reversed. Sibling packages below host meet here and nowhere else.
//
// Read next: package httpapi, where a request comes in, then package invoke,
// whose New is the table of contents of an invocation.
package host

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/lambent-host/lambent/extensions"
	"github.com/lambent-host/lambent/extensions/place"
	"github.com/lambent-host/lambent/host/admission"
	"github.com/lambent-host/lambent/host/async"
	"github.com/lambent-host/lambent/host/catalogue"
	"github.com/lambent-host/lambent/host/environment"
	"github.com/lambent-host/lambent/host/httpapi"
	"github.com/lambent-host/lambent/host/invoke"
	"github.com/lambent-host/lambent/host/layer"
	"github.com/lambent-host/lambent/host/observer"
	"github.com/lambent-host/lambent/host/publish"
	"github.com/lambent-host/lambent/host/snapshot"
	"github.com/lambent-host/lambent/host/store"
	"github.com/lambent-host/lambent/host/wasmextension"
	"github.com/lambent-host/lambent/sandbox"
	"github.com/lambent-host/lambent/telemetry"
	"github.com/lambent-host/lambent/telemetry/otelsink"
)

// Timeouts of the HTTP server. There is no write timeout: an invocation may
// take as long as its function may (15 minutes).
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 2 * time.Minute // a 50 MB package over a slow line
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 64 << 10
)

// moduleIdle is how long a compiled module without an environment stays in memory.
const moduleIdle = 15 * time.Minute

// asyncWorkers is how many queued events run at a time, where the account's
// concurrency allows it.
const asyncWorkers = 64

// Host is a function host. Make one with [New], then call [Host.Run]; or serve
// with Start and end with Shutdown.
type Host struct {
	cfg Config
	log zerolog.Logger

	listener   net.Listener
	server     *http.Server
	otel       *otelsink.Sink
	deliveries deliveries
	store      *store.Store
	tmp        string // of the environments; removed at the end
	engine     *sandbox.Engine
	bus        *telemetry.Bus
	publisher  *publish.Publisher
	observers  *observer.Observer
	consumers  *wasmextension.Extensions
	pool       *environment.Pool
	snapshots  *snapshot.Store // nil where none are made
	queue      *async.Queue

	serving  chan error // the server's last word
	shutdown sync.Once
	ended    error // of Shutdown
}

// New opens the data folder and the listener, so that [Host.Addr] is known, and
// starts nothing that answers. On an error everything opened is closed again.
func New(ctx context.Context, cfg Config, log zerolog.Logger) (*Host, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("host configuration: %w", err)
	}
	h := &Host{cfg: cfg, log: log, serving: make(chan error, 1)}
	if err := h.open(ctx); err != nil {
		return nil, errors.Join(err, h.Shutdown(context.WithoutCancel(ctx)))
	}
	return h, nil
}

// open builds the rooms from the ground up. What it has built when it fails,
// Shutdown takes down.
func (h *Host) open(ctx context.Context) error {
	cfg := h.cfg
	var err error
	if h.tmp, err = h.openData(); err != nil {
		return err
	}
	if h.otel, err = otelsink.New(ctx, otelsink.Config{
		Env: cfg.Env, Version: cfg.Version, Region: cfg.Region, AccountID: cfg.AccountID, Tell: h.tellOfExports,
	}); err != nil {
		return err
	}
	if err := h.openEngine(ctx); err != nil {
		return err
	}
	functions, err := catalogue.Open(h.store, filepath.Join(cfg.DataDir, "code"), catalogue.Config{
		Region: cfg.Region, AccountID: cfg.AccountID, Inspect: inspect, Changed: h.changed,
	})
	if err != nil {
		return err
	}
	if err := h.openSnapshots(); err != nil {
		return err
	}
	layers, err := layer.Open(h.store, layer.Config{
		Dir: filepath.Join(cfg.DataDir, "layers"), Region: cfg.Region, AccountID: cfg.AccountID, Used: functions.UsesLayer,
	})
	if err != nil {
		return err
	}
	h.bus = telemetry.NewBus()
	h.otel.Follow(h.bus)
	h.publisher = publish.New(publish.Config{
		Engine: h.engine, Catalogue: functions, Idle: moduleIdle,
		Capture: func(ctx context.Context, v catalogue.Version) (catalogue.SnapshotState, *catalogue.Failure) {
			return h.capture(ctx, functions, v)
		},
		Settled: func(v catalogue.Version) { h.retire(functions, v) },
		Log:     h.log,
	})
	places, err := cfg.placeConfig()
	if err != nil {
		return err
	}
	places.Log = h.log
	where, err := place.New(ctx, places)
	if err != nil {
		return err
	}
	if h.observers, err = observer.New(observer.Config{
		Dir: cfg.HostExtensionsDir, Place: where, Bus: h.bus, Region: cfg.Region, AccountID: cfg.AccountID, Log: h.log,
	}); err != nil {
		return err
	}
	if h.consumers, err = wasmextension.New(wasmextension.Config{
		Dir: cfg.WasmExtensionsDir, Engine: h.engine, Bus: h.bus, Region: cfg.Region, Log: h.log, Settled: h.settled,
	}); err != nil {
		return err
	}
	h.pool = environment.NewPool(environment.Config{
		Modules: h.publisher, Bus: h.bus, ExtensionsDir: cfg.ExtensionsDir, Observe: h.invocationObserver(), Layers: layers, Place: where, TmpRoot: h.tmp,
		ExtensionActivity: cfg.ExtensionActivity, ExtensionDelivery: cfg.ExtensionDelivery, TelemetrySettled: h.settled,
		CPUQuota: cfg.CPUQuota == QuotaLambda,
		Idle:     cfg.EnvironmentIdle, InitTimeout: environment.InitTimeout,
		SnapshotInitTimeout: environment.SnapshotInitTimeout, RestoreTimeout: environment.RestoreTimeout,
		SnapStart: environment.SnapStart(cfg.SnapStart), Snapshots: h.snapshots, Isolation: catalogue.Isolation(cfg.Isolation),
		Region: cfg.Region, AccountID: cfg.AccountID, NewID: newEnvironmentID, Log: h.log,
	})
	h.retainSnapshots(functions)
	invoker := invoke.New(invoke.Config{
		Resolver: functions, Admission: admission.New(cfg.ConcurrencyLimit), Environments: h.pool,
		Tracer: h.otel.Tracer(), Meter: h.otel.Meter(), Dice: rand.Float64, Now: time.Now,
	})
	if h.queue, err = async.Open(h.store, invoker, async.Config{
		RetryDelays: cfg.RetryDelays,
		Workers:     min(asyncWorkers, cfg.ConcurrencyLimit), // more would only throttle each other
	}, h.log); err != nil {
		return err
	}
	if err := h.observe(); err != nil {
		return err
	}
	h.server = &http.Server{
		Handler: httpapi.New(httpapi.Config{
			Catalogue: functions, Layers: layers, Invoker: invoker, Async: h.queue,
			Region: cfg.Region, AccountID: cfg.AccountID, ConcurrencyLimit: cfg.ConcurrencyLimit,
			SnapStartOff: h.snapshots == nil,
			Log:          h.log, Propagator: h.otel.Propagator(), Tracer: h.otel.Tracer(), Metrics: h.otel.Page(),
		}),
		ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
	}
	h.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", cfg.Listen)
	return err
}

// openData opens the store, whose lock makes the data folder this host's own,
// and an empty folder for the environments' /tmp: what an earlier run left there
// belongs to nobody.
func (h *Host) openData() (tmp string, err error) {
	if tmp, err = h.tmpDir(); err != nil {
		return "", err
	}
	if err := os.MkdirAll(h.cfg.DataDir, 0o700); err != nil {
		return "", fmt.Errorf("data folder: %w", err)
	}
	if h.store, err = store.Open(filepath.Join(h.cfg.DataDir, "lambent.db"), store.Options{}); err != nil {
		return "", err
	}
	if err := errors.Join(os.RemoveAll(tmp), os.MkdirAll(tmp, 0o700)); err != nil {
		return "", fmt.Errorf("folder for /tmp: %w", err)
	}
	return tmp, nil
}

// tmpDir names a folder that is this host's alone: its content is removed. Below
// a folder of the operator's choice, the path of the data folder tells hosts apart.
func (h *Host) tmpDir() (string, error) {
	if h.cfg.TmpDir == "" {
		return filepath.Join(h.cfg.DataDir, "tmp"), nil
	}
	data, err := filepath.Abs(h.cfg.DataDir)
	if err != nil {
		return "", fmt.Errorf("data folder: %w", err)
	}
	return filepath.Join(h.cfg.TmpDir, fmt.Sprintf("lambent-%x", sha256.Sum256([]byte(data)))[:len("lambent-")+16]), nil
}

// retire ends what is warm of an older revision than the one that was settled.
func (h *Host) retire(functions *catalogue.Catalogue, settled catalogue.Version) {
	current, err := functions.Resolve(settled.FunctionName, settled.Version, 0)
	if err == nil { // otherwise it was deleted meanwhile, and its environments go idle
		h.pool.Retire(current)
	}
}

// invocationObserver is what environments tell of their invocations, and to whom; nil where
// nobody listens.
func (h *Host) invocationObserver() func(string, extensions.InvokeEvent) {
	if h.observers.Len() == 0 {
		return nil
	}
	return h.observers.Observe
}

// inspect is the check of a module that is quick enough to make before the
// upload is accepted.
func inspect(wasm []byte) error {
	_, err := sandbox.Inspect(wasm)
	return err
}

// newEnvironmentID returns 32 hex digits, the form of the id in the name of
// Lambda's log streams.
func newEnvironmentID() string { return strings.ReplaceAll(uuid.NewString(), "-", "") }

// Addr is the address the host listens on, host:port.
func (h *Host) Addr() string { return h.listener.Addr().String() }

// Telemetry subscribes to the events of all execution environments, for a program that
// has the host in it. The subscription ends with Shutdown.
func (h *Host) Telemetry(cfg telemetry.SubscriptionConfig) *telemetry.Subscription {
	return h.bus.Subscribe(cfg)
}

// Start begins to publish, to work off the queue and to answer. It returns at once.
func (h *Host) Start() {
	h.observers.Start()
	h.consumers.Start()
	h.publisher.Start()
	h.queue.Start()
	go func() {
		err := h.server.Serve(h.listener)
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		h.serving <- err
	}()
	h.log.Info().Str("address", h.Addr()).Str("data", h.cfg.DataDir).Msg("lambent is listening")
}

// Run starts the host and serves until ctx is done or the server fails, then
// shuts down within Config.ShutdownTimeout.
func (h *Host) Run(ctx context.Context) error {
	h.Start()
	var failed error
	select {
	case <-ctx.Done():
	case failed = <-h.serving:
	}
	h.log.Info().Msg("lambent is shutting down")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.cfg.ShutdownTimeout)
	defer cancel()
	return errors.Join(failed, h.Shutdown(ctx))
}

// Shutdown takes the host down in order, within ctx, and returns every error
// met. Only the first call does anything; later ones return what it returned.
func (h *Host) Shutdown(ctx context.Context) error {
	h.shutdown.Do(func() { h.ended = h.takeDown(ctx) })
	return h.ended
}

// takeDown is open reversed, one line and one reason each. Each part may be
// missing, when New failed half-way.
func (h *Host) takeDown(ctx context.Context) error {
	var errs []error
	note := func(what string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", what, err))
		}
	}
	if h.listener != nil { // no new requests; those under way are answered
		note("http server", h.server.Shutdown(ctx))
		note("listener", ignoreClosed(h.listener.Close()))
	}
	if h.queue != nil { // no new tries; accepted events stay in the store
		note("queue", h.queue.Shutdown(ctx))
	}
	if h.pool != nil { // the last platform events, then SHUTDOWN to extensions
		note("environments", h.pool.Shutdown(ctx))
	}
	if h.consumers != nil { // they have been told everything
		note("WASM extensions", h.consumers.Shutdown(ctx))
	}
	if h.observers != nil { // so have they
		note("extensions of the host", h.observers.Shutdown(ctx))
	}
	if h.publisher != nil { // no environment needs a module any more
		note("publisher", h.publisher.Shutdown(ctx))
	}
	if h.snapshots != nil { // nor a snapshot
		note("snapshots", h.snapshots.Close())
	}
	if h.engine != nil { // no module is left
		note("sandbox", h.engine.Close(ctx))
	}
	if h.bus != nil { // nobody publishes any more
		h.bus.Close()
	}
	if h.tmp != "" { // no environment is left
		note("folder for /tmp", os.RemoveAll(h.tmp))
	}
	if h.store != nil { // nobody writes any more
		note("store", h.store.Close())
	}
	if h.otel != nil { // the last spans have ended, and the bus with the last logs
		note("OpenTelemetry", h.otel.Shutdown(ctx))
	}
	return errors.Join(errs...)
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
