// Package publish makes a version ready to run: it unpacks the deployment
// package, has the sandbox prepare the module in a child process, and settles the
// version's state in the catalogue. Compiling takes seconds for a large module,
// so it happens behind the API's back: that is what State Pending and
// LastUpdateStatus InProgress are for.
//
// It also keeps the compiled modules that environments stand on. Read next:
// package environment, which instantiates them, and package sandbox.
package publish

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/lambent-host/lambent/host/catalogue"
	"github.com/lambent-host/lambent/sandbox"
)

// settleRetry is how long a version waits after its outcome could not be stored.
const settleRetry = 5 * time.Second

// Catalogue is what publishing needs of the catalogue.
type Catalogue interface {
	// Unsettled lists the versions that wait to be published.
	Unsettled() []catalogue.Version
	// Settle writes how publishing ended; nil is success.
	Settle(ctx context.Context, v catalogue.Version, failure *catalogue.Failure) error
	// Code returns the upload with this digest.
	Code(digest string) ([]byte, error)
	// Changes is signalled when Unsettled may have grown.
	Changes() <-chan struct{}
}

// Config is what a Publisher works with.
type Config struct {
	Engine    *sandbox.Engine
	Catalogue Catalogue
	// Idle is how long a compiled module without users stays in memory.
	Idle time.Duration
	// Capture makes the snapshot of a version that has been compiled, if it is to
	// have one, and tells what became of it; a failure is the version's. May be nil.
	Capture func(ctx context.Context, v catalogue.Version) (catalogue.SnapshotState, *catalogue.Failure)
	// Settled is told each version that was published, from the Publisher's own
	// goroutine: it must not block. May be nil.
	Settled func(catalogue.Version)
	Log     zerolog.Logger
}

// Publisher publishes in the background between Start and Shutdown. Its methods
// are safe for concurrent use.
type Publisher struct {
	cfg     Config
	modules *modules
	stop    context.CancelFunc
	running sync.WaitGroup
}

// New returns a Publisher that has not started.
func New(cfg Config) *Publisher {
	return &Publisher{cfg: cfg, modules: &modules{
		engine:    cfg.Engine,
		code:      cfg.Catalogue.Code,
		loading:   make(chan struct{}, max(2, runtime.GOMAXPROCS(0))),
		compiling: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
		idle:      make(chan struct{}, 1),
		now:       time.Now,
		entries:   map[key]*entry{},
	}}
}

// Start begins to publish what waits, and what comes later. It owns
// its goroutines until Shutdown.
func (p *Publisher) Start() {
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	p.running.Go(func() { p.publishAll(ctx) })
	p.running.Go(func() { p.sweepAll(ctx) })
}

// Shutdown stops publishing, ends the compilations under way, waits for their end
// within ctx and closes the modules that have no user. What was not published stays unsettled
// in the catalogue and is taken up at the next start.
func (p *Publisher) Shutdown(ctx context.Context) error {
	if p.stop != nil {
		p.stop()
	}
	ended := make(chan struct{})
	go func() { p.running.Wait(); p.modules.building.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-ctx.Done():
		return errors.Join(errors.New("a compilation did not end in time"), ctx.Err())
	}
	_, err := p.modules.sweep(ctx, -1)
	return err
}

// Lease returns the compiled module of a version for use by an environment.
// After a restart the first lease loads it from the compile cache.
// Errors: *sandbox.ModuleError for a module that is not valid, *deployment.Error
// for a package that is not, others when the host broke.
func (p *Publisher) Lease(ctx context.Context, v catalogue.Version) (*Lease, error) {
	return p.modules.lease(ctx, v)
}

// publishAll gives each unsettled version a goroutine of its own, so that a
// module that is slow to compile delays nobody else's; modules.compiling bounds how
// many compile at a time. A compilation for a version that is gone or has been
// updated is ended.
func (p *Publisher) publishAll(ctx context.Context) {
	ended := make(chan string)
	underway := map[string]context.CancelFunc{}
	for {
		wanted := map[string]bool{}
		for _, v := range p.cfg.Catalogue.Unsettled() {
			id := v.QualifiedARN() + "@" + v.RevisionID
			wanted[id] = true
			if underway[id] != nil {
				continue
			}
			useful, cancel := context.WithCancel(ctx)
			underway[id] = cancel
			p.running.Go(func() {
				defer cancel()
				p.publish(ctx, useful, v)
				select {
				case ended <- id:
				case <-ctx.Done():
				}
			})
		}
		for id, cancel := range underway {
			if !wanted[id] {
				cancel()
			}
		}
		select {
		case <-ctx.Done():
			return
		case id := <-ended:
			delete(underway, id)
		case <-p.cfg.Catalogue.Changes():
		}
	}
}

// publish makes a version ready, as long as that is useful, and settles it.
func (p *Publisher) publish(ctx, useful context.Context, v catalogue.Version) {
	log := p.cfg.Log.With().Str("function", v.FunctionName).Str("version", v.Version).Logger()
	began := time.Now()
	lease, err := p.modules.lease(useful, v)
	if useful.Err() != nil && err != nil {
		return // shutting down: the version stays unsettled and is not called broken
	}
	failure := describe(err)
	if err != nil {
		log.Warn().Err(err).Msg("function could not be published")
	} else {
		defer lease.Release()
		if p.cfg.Capture != nil {
			v.Snapshot, failure = p.cfg.Capture(useful, v)
		}
		if useful.Err() != nil {
			return // as above
		}
	}
	if err := p.cfg.Catalogue.Settle(ctx, v, failure); err != nil {
		log.Error().Err(err).Msg("the outcome of publishing could not be stored")
		// The version is still unsettled and will be tried again: not at once, or a
		// full disk would be met with a busy loop.
		select {
		case <-ctx.Done():
		case <-time.After(settleRetry):
		}
		return
	}
	if failure == nil {
		log.Info().Dur("took", time.Since(began)).Msg("function published")
		if p.cfg.Settled != nil {
			p.cfg.Settled(v)
		}
	}
}

// describe turns an error into what the function's state tells its owner. The
// cause of a failure of the host itself is not for tenants.
func describe(err error) *catalogue.Failure {
	if err == nil {
		return nil
	}
	var invalid *sandbox.ModuleError
	if errors.As(err, &invalid) {
		return &catalogue.Failure{Code: "InvalidConfiguration", Reason: invalid.Error()}
	}
	return &catalogue.Failure{Code: "InternalError", Reason: "The host could not prepare the function. Try the update again."}
}

func (p *Publisher) sweepAll(ctx context.Context) {
	ticker := time.NewTicker(max(p.cfg.Idle/4, time.Second))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-p.modules.idle:
		}
		if _, err := p.modules.sweep(ctx, p.cfg.Idle); err != nil {
			p.cfg.Log.Error().Err(err).Msg("an idle module did not close")
		}
	}
}
