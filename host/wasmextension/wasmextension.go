// Package wasmextension runs telemetry extensions that are compiled to WebAssembly,
// inside the host and in the same sandbox as functions: no process, no port, the same
// metering and limits. Each is an ordinary guest whose events are batches of telemetry
// (abi.md, "Telemetry consumers"), and which reaches the hosts that its manifest names.
//
// [Extensions] owns a goroutine for each from Start to Shutdown. One that fails,
// hangs or traps loses events of its own, and nobody else's. Read next: manifest.go for
// what an operator says, instance.go for the guest, fetch.go for its way out.
package wasmextension

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/lambent-host/lambent/extensions"
	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/host/attachment"
	"github.com/lambent-host/lambent/sandbox"
	"github.com/lambent-host/lambent/telemetry"
)

// suffix is that of an extension's file.
const suffix = ".wasm"

// shutdownBudget is what an extension has for its last batch, and again for its end.
const shutdownBudget = 2 * time.Second

// Config is what Extensions work with.
type Config struct {
	// Dir holds NAME.wasm, and NAME.json beside it: see [Manifest].
	Dir    string
	Engine *sandbox.Engine
	Bus    *telemetry.Bus
	// Region is told to them.
	Region string
	Log    zerolog.Logger
	// Settled, if set, is told at the end what became of the events of each.
	Settled func(extensions.Account)
}

// Extensions are those of a folder. They are safe for concurrent use.
type Extensions struct {
	cfg   Config
	all   []*extension
	stop  context.CancelFunc
	tasks sync.WaitGroup
	// patience is 0 but in tests: that of each manifest.
	patience time.Duration
}

// extension is one of them.
type extension struct {
	name         string
	path         string
	manifest     Manifest
	subscription extapi.Subscription
	log          zerolog.Logger
	stream       *telemetry.Stream // of what it writes
	carrier      *extensions.Carrier
	runner       *runner
}

// New reads the folder; "" or one that does not exist has none. What is wrong with a
// manifest, or with the head of a module, is an error that names the file. Nothing is
// compiled before Start.
func New(cfg Config) (*Extensions, error) {
	e := &Extensions{cfg: cfg, stop: func() {}}
	if cfg.Dir == "" {
		return e, nil
	}
	entries, err := os.ReadDir(cfg.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return e, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find WASM extensions: %w", err)
	}
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), suffix)
		if !ok || name == "" {
			continue
		}
		x := &extension{name: name, path: filepath.Join(cfg.Dir, entry.Name())}
		x.log = cfg.Log.With().Str("extension", name).Str("scope", "wasm").Logger()
		if err := x.read(filepath.Join(cfg.Dir, name+attachment.Suffix)); err != nil {
			return nil, fmt.Errorf("WASM extension: %w", err)
		}
		e.all = append(e.all, x)
	}
	return e, nil
}

// read reads the manifest and looks at the module.
func (x *extension) read(manifest string) error {
	data, err := os.ReadFile(manifest)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		data = []byte("{}")
	case err != nil:
		return err
	}
	if x.manifest, err = ParseManifest(manifest, data); err != nil {
		return err
	}
	if x.subscription, err = x.manifest.subscription(); err != nil {
		return err
	}
	wasm, err := os.ReadFile(x.path)
	if err != nil {
		return err
	}
	if _, err := sandbox.Inspect(wasm); err != nil {
		return fmt.Errorf("%s: %w", x.path, err)
	}
	return nil
}

// Len is how many there are.
func (e *Extensions) Len() int { return len(e.all) }

// Start subscribes all to the telemetry from now on, compiles them in the background
// and returns at once.
func (e *Extensions) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	e.stop = cancel
	for _, x := range e.all {
		x.stream = e.cfg.Bus.Open(telemetry.Source{EnvironmentID: "wasm-" + x.name})
		x.stream.Seal()
		x.runner = newRunner(x, e.cfg)
		x.carrier = extensions.NewCarrier(extensions.CarrierConfig{
			Name: x.name, Bus: e.cfg.Bus, From: x.from, Subscription: x.subscription,
			Send: x.runner.send, Patience: cmp.Or(e.patience, x.manifest.patience()), Log: x.log, Settled: e.cfg.Settled,
		})
		e.tasks.Go(func() {
			// Until there is a module the subscription holds the events: a batch that
			// was begun would be given up before a large one is compiled.
			x.runner.compile(ctx)
			x.carrier.Run(ctx)
		})
	}
}

// from chooses what an extension is told of: the functions it is attached to. What it
// writes itself it is not told: it would write about that, for ever.
func (x *extension) from(src telemetry.Source) bool {
	return src.FunctionName != "" && x.manifest.To(src.FunctionName)
}

// Shutdown delivers what was published, tells each extension that it ends, within its
// budget and ctx, and frees them.
func (e *Extensions) Shutdown(ctx context.Context) error {
	var ending sync.WaitGroup
	for _, x := range e.all {
		if x.carrier == nil {
			continue // never started
		}
		ending.Go(func() {
			limited, cancel := context.WithTimeout(ctx, shutdownBudget)
			defer cancel()
			x.carrier.Flush(limited)
		})
	}
	ending.Wait()
	e.stop()
	e.tasks.Wait()
	errs := make([]error, len(e.all))
	for i, x := range e.all { // at once as well: one that hangs has its own time to end, not the others'
		if x.runner == nil {
			continue
		}
		ending.Go(func() {
			limited, cancel := context.WithTimeout(ctx, shutdownBudget)
			defer cancel()
			errs[i] = x.runner.end(limited)
			x.stream.Close()
		})
	}
	ending.Wait()
	return errors.Join(errs...)
}
