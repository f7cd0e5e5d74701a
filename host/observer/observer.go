// Package observer runs the extensions of the host scope: one process for many
// execution environments. Such an extension speaks the same APIs as one of an
// environment and is told the same events, each with the environment it comes from;
// nothing waits for it, and what it does or suffers ends no invocation. One that
// ends is started again.
//
// [Observer] owns one goroutine for each extension from Start to Shutdown. Read
// next: extensions/scope.go, then package attachment for the file beside each.
package observer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/lambent-host/lambent/extensions"
	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/extensions/place"
	"github.com/lambent-host/lambent/host/attachment"
	"github.com/lambent-host/lambent/telemetry"
)

// Limits of an extension's life: as long as an environment's would have.
const (
	initTimeout    = 10 * time.Second
	shutdownBudget = 2 * time.Second
)

// Pauses before an extension that has ended is started again. They double up to
// the longest, and begin anew once one has lasted that long.
const (
	firstPause   = time.Second
	longestPause = time.Minute
)

// Config is what an Observer works with.
type Config struct {
	// Dir holds the executables; NAME.json beside NAME is its [attachment.Attachment].
	Dir string
	// Place is where they run; nil: on the machine itself.
	Place place.Place
	Bus   *telemetry.Bus
	// Region and AccountID are told to them.
	Region, AccountID string
	Log               zerolog.Logger
}

// Observer is the extensions of the host scope. It is safe for concurrent use.
type Observer struct {
	cfg    Config
	all    []*watched
	stop   chan struct{}
	once   sync.Once
	ending sync.WaitGroup
}

// watched is one extension, whose process comes and goes.
type watched struct {
	name, path string
	attached   attachment.Attachment
	set        atomic.Pointer[extensions.Set] // nil while no process is ready
	first      time.Duration                  // pause
}

// New reads the folder; "" or one that does not exist has no extensions. What is
// wrong with a file is an error that names it. Nothing runs before Start.
func New(cfg Config) (*Observer, error) {
	o := &Observer{cfg: cfg, stop: make(chan struct{})}
	paths, err := extensions.Discover(cfg.Dir)
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		if strings.HasSuffix(path, attachment.Suffix) {
			continue
		}
		w := &watched{name: filepath.Base(path), path: path, first: firstPause}
		if err := w.read(); err != nil {
			return nil, fmt.Errorf("extension of the host: %w", err)
		}
		o.all = append(o.all, w)
	}
	return o, nil
}

// read reads the file beside the executable, if there is one.
func (w *watched) read() error {
	file := w.path + attachment.Suffix
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := attachment.Decode(file, data, &w.attached); err != nil {
		return err
	}
	if err := w.attached.Validate(); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// Len is how many extensions there are.
func (o *Observer) Len() int { return len(o.all) }

// Start starts every extension, and returns at once.
func (o *Observer) Start() {
	for _, w := range o.all {
		o.ending.Go(func() { o.keep(w) })
	}
}

// Observe tells the extensions that are attached to a function of an invocation. It
// does not block.
func (o *Observer) Observe(function string, ev extensions.InvokeEvent) {
	for _, w := range o.all {
		if set := w.set.Load(); set != nil && w.attached.To(function) {
			set.Observe(ev)
		}
	}
}

// Shutdown delivers what was published, sends SHUTDOWN and waits until all processes
// have ended: within their budget, or when ctx is done.
func (o *Observer) Shutdown(ctx context.Context) error {
	o.once.Do(func() { close(o.stop) })
	done := make(chan struct{})
	go func() { o.ending.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("extensions of the host: %w", ctx.Err())
	}
}

// keep has an extension run until Shutdown.
func (o *Observer) keep(w *watched) {
	log := o.cfg.Log.With().Str("extension", w.name).Str("scope", "host").Logger()
	pause := w.first
	for {
		began := time.Now()
		err := o.live(w, log)
		if err == nil {
			return
		}
		if time.Since(began) > longestPause {
			pause = w.first
		}
		log.Warn().Err(err).Dur("pause", pause).Msg("an extension of the host has ended and is started again")
		select {
		case <-o.stop:
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
	}
}

// live is one life of the process; nil after Shutdown.
func (o *Observer) live(w *watched, log zerolog.Logger) error {
	stream := o.cfg.Bus.Open(telemetry.Source{EnvironmentID: "host-" + w.name})
	defer stream.Close()
	ctx, cancel := context.WithTimeout(context.Background(), initTimeout)
	defer cancel()
	stopped := make(chan struct{})
	defer close(stopped)
	go func() { // a host that ends does not wait for an init
		select {
		case <-o.stop:
			cancel()
		case <-stopped:
		}
	}()
	set, err := extensions.Start(ctx, extensions.Config{
		Executables: []string{w.path}, Place: o.cfg.Place, Stream: stream, Log: log, Env: o.environment(w),
		Scope:    &extensions.HostScope{Bus: o.cfg.Bus, From: w.from},
		Function: extensions.Function{Name: functionName, Version: "$LATEST", AccountID: o.cfg.AccountID},
	})
	if err != nil {
		return o.unlessStopped(err)
	}
	reason := extapi.ReasonFailure
	defer func() { _ = set.Shutdown(context.Background(), reason, shutdownBudget) }() // it logs what matters
	if err := set.FinishInit(ctx); err != nil {
		return o.unlessStopped(err)
	}
	stream.Seal()
	w.set.Store(set)
	defer w.set.Store(nil)
	failed, release := set.Bind(context.Background())
	defer release()
	select {
	case <-o.stop:
		reason = extapi.ReasonSpindown
		return nil
	case <-failed.Done():
		return context.Cause(failed)
	}
}

// unlessStopped is nil for what Shutdown has interrupted.
func (o *Observer) unlessStopped(err error) error {
	select {
	case <-o.stop:
		return nil
	default:
		return err
	}
}

// from chooses what an extension is told of: the functions it is attached to, and
// what it writes itself.
func (w *watched) from(src telemetry.Source) bool {
	if src.FunctionName == "" {
		return src.EnvironmentID == "host-"+w.name
	}
	return w.attached.To(src.FunctionName)
}

// functionName is what an extension is told as the function's: there is not one.
const functionName = "lambent"

// environment is that of a process: what Lambda's extensions look for, without a
// function of their own, and what the file beside it adds.
func (o *Observer) environment(w *watched) []string {
	vars := map[string]string{
		"AWS_REGION":                      o.cfg.Region,
		"AWS_DEFAULT_REGION":              o.cfg.Region,
		"AWS_LAMBDA_FUNCTION_NAME":        functionName,
		"AWS_LAMBDA_FUNCTION_VERSION":     "$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
		"AWS_LAMBDA_INITIALIZATION_TYPE":  string(telemetry.OnDemand),
		"LAMBENT_EXTENSION_SCOPE":         "host",
		"PATH":                            "/usr/local/bin:/usr/bin:/bin:/opt/bin",
		"LANG":                            "en_US.UTF-8",
		"TZ":                              ":UTC",
	}
	maps.Copy(vars, w.attached.Environment)
	pairs := make([]string, 0, len(vars))
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		pairs = append(pairs, name+"="+vars[name])
	}
	return pairs
}
