package environment

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/lambent-host/lambent/extensions"
	"github.com/lambent-host/lambent/extensions/place"
	"github.com/lambent-host/lambent/host/catalogue"
	"github.com/lambent-host/lambent/host/publish"
	"github.com/lambent-host/lambent/host/snapshot"
	"github.com/lambent-host/lambent/sandbox"
	"github.com/lambent-host/lambent/telemetry"
)

// Modules hands out compiled modules; *publish.Publisher does.
type Modules interface {
	Lease(ctx context.Context, v catalogue.Version) (*publish.Lease, error)
}

// Layers hands out the tree of a function's layers, a folder that must not be
// changed; *layer.Store does. dir is "" for no layers.
type Layers interface {
	Lease(arns []string) (dir string, release func(), err error)
}

// Config is what a Pool works with.
type Config struct {
	Modules Modules
	Bus     *telemetry.Bus
	// ExtensionsDir is the folder of extension executables; "" means none.
	ExtensionsDir string
	// Observe, if set, is told of each invocation, by the name of its function, as it
	// begins. It must not block; *observer.Observer's does not.
	Observe func(function string, ev extensions.InvokeEvent)
	// Layers lays out what functions see as /opt; nil where no function has layers.
	Layers Layers
	// ExtensionActivity and ExtensionDelivery, if set, are told of every call of an
	// extension and of every try to bring it telemetry. They must not block.
	ExtensionActivity func(extensions.Activity)
	ExtensionDelivery func(extensions.Delivery)
	// TelemetrySettled, if set, is told what became of the events of each
	// subscription of an extension, when it has ended. It must not block.
	TelemetrySettled func(extensions.Account)
	// Place is where extensions run; nil means the machine itself.
	Place place.Place
	// TmpRoot is the folder that each environment's /tmp is made in.
	TmpRoot string
	// CPUQuota limits each environment to its share of the CPUs, by MemorySize.
	CPUQuota bool
	// Idle is how long an environment stays warm without an invocation.
	Idle time.Duration
	// InitTimeout bounds the init phase; [InitTimeout] unless a test needs less.
	InitTimeout time.Duration
	// SnapshotInitTimeout and RestoreTimeout are those of the package, likewise.
	SnapshotInitTimeout, RestoreTimeout time.Duration
	// SnapStart says of which versions snapshots are made, Snapshots keeps them; it
	// may be nil where SnapStart is [SnapStartOff].
	SnapStart SnapStart
	Snapshots *snapshot.Store
	// Isolation is that of functions which choose none.
	Isolation catalogue.Isolation
	Region    string
	AccountID string
	// NewID returns the id of a new environment.
	NewID func() string
	Log   zerolog.Logger
}

// ErrClosed is the answer to Acquire once Shutdown has begun.
var ErrClosed = errors.New("the host is shutting down")

// Pool owns every environment: it makes them, keeps the warm ones, and ends
// those that stay idle. It is safe for concurrent use.
type Pool struct {
	cfg Config

	mu     sync.Mutex
	closed bool
	warm   map[string][]*environment // by versionKey; the last one is the warmest
	told   map[string]string         // by qualified ARN: the versionKey of which tellOfInits has told

	turns  turns                      // of inits that are captured
	broken map[snapshot.Key]time.Time // when an init that was to be captured failed
	leased sync.WaitGroup             // environments handed out
	out    int                        // how many those are
	ending sync.WaitGroup             // environments being shut down
	stop   chan struct{}
	swept  chan struct{} // closed when the janitor has ended
}

// NewPool returns a running Pool. It owns one goroutine, which ends idle
// environments, until Shutdown.
func NewPool(cfg Config) *Pool {
	p := &Pool{cfg: cfg, warm: map[string][]*environment{}, told: map[string]string{}, broken: map[snapshot.Key]time.Time{}, stop: make(chan struct{}), swept: make(chan struct{})}
	go p.sweep()
	return p
}

// versionKey tells apart what an environment was made for: a change of
// configuration or code makes a new revision, and so new environments.
func versionKey(v catalogue.Version) string { return v.QualifiedARN() + "@" + v.RevisionID }

// Lease is an environment in the caller's hands for one invocation. Call
// Invoke exactly once; it gives the environment back.
type Lease struct {
	pool *Pool
	env  *environment
	cold bool
}

// Cold tells that the environment was made for this lease.
func (l *Lease) Cold() bool { return l.cold }

// Restored tells that the environment was restored from a snapshot.
func (l *Lease) Restored() bool { return l.env.snapshot != nil }

// Acquire hands out a warm environment of v, or makes one: the restore phase, at
// most RestoreTimeout, if there is a snapshot, or else the init phase, at most
// InitTimeout. An init that fails by the function's or an extension's own
// fault still yields a lease, whose Invoke tells the caller. traceID is the
// X-Amzn-Trace-Id that such a phase is told with, or empty. Errors:
// [ErrClosed], *RestoreError, *InternalError, and those of Modules.
func (p *Pool) Acquire(ctx context.Context, v catalogue.Version, traceID string) (*Lease, error) {
	env, err := p.takeWarm(v)
	if err != nil {
		return nil, err
	}
	if env != nil {
		return &Lease{pool: p, env: env}, nil
	}
	// A caller that hangs up does not stop an init: the next one profits by it.
	ctx = context.WithoutCancel(ctx)
	env, err = p.make(ctx, v, traceID)
	if err != nil {
		p.giveBack(nil, false)
		return nil, err
	}
	return &Lease{pool: p, env: env, cold: true}, nil
}

// takeWarm counts a lease in; env is nil when none is warm.
func (p *Pool) takeWarm(v catalogue.Version) (env *environment, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrClosed
	}
	p.leased.Add(1)
	p.out++
	key := versionKey(v)
	for stack := p.warm[key]; len(stack) > 0; stack = p.warm[key] {
		env = stack[len(stack)-1]
		p.warm[key] = stack[:len(stack)-1]
		if !env.broken() {
			return env, nil
		}
		p.end(env)
	}
	return nil, nil
}

func (p *Pool) make(ctx context.Context, v catalogue.Version, traceID string) (*environment, error) {
	module, err := p.cfg.Modules.Lease(ctx, v)
	if err != nil {
		return nil, err
	}
	kind, from := telemetry.OnDemand, p.findSnapshot(ctx, v)
	if from != nil {
		kind = telemetry.SnapStart
	}
	env, err := newEnvironment(&p.cfg, v, module, kind)
	if err != nil {
		if from != nil {
			from.Release()
		}
		module.Release()
		return nil, err
	}
	env.traceID = traceID
	if from != nil {
		err = env.restore(ctx, from)
	} else {
		err = env.initialize(ctx)
	}
	if err != nil {
		env.shutdown(ctx, reasonFailure)
		return nil, err
	}
	return env, nil
}

// findSnapshot returns what an environment of v is restored from, which is made
// anew where it was lost; nil for an environment that runs its init, because v has
// no snapshot or none can be made now.
func (p *Pool) findSnapshot(ctx context.Context, v catalogue.Version) *snapshot.Lease {
	if !p.restores(v) || p.justBroken(p.SnapshotKey(v)) {
		return nil
	}
	lease, err := p.snapshotOf(ctx, v)
	if err != nil {
		var refused *sandbox.NotCapturableError
		if !errors.As(err, &refused) { // that was told when it was found out
			p.cfg.Log.Warn().Err(err).Str("function", v.FunctionName).Str("version", v.Version).Msg("no snapshot to restore from: the environment runs its init")
		}
		return nil
	}
	return lease
}

// Invoke runs one invocation and gives the environment back. It answers as soon
// as the function has: extensions may work on, and settled is called once they
// are done and the environment is free or gone. A caller that hangs up does not
// stop the function. The error is an *InternalError.
func (l *Lease) Invoke(ctx context.Context, in Invocation, settled func()) (Answer, error) {
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), in.Deadline)
	phase, err := l.env.invoke(ctx, in)
	if err != nil {
		defer cancel()
		l.env.shutdown(context.WithoutCancel(ctx), reasonFailure)
		l.pool.giveBack(l.env, false)
		settled()
		return Answer{}, err
	}
	settle := func(reusable bool) {
		l.pool.giveBack(l.env, reusable && l.pool.renew(l.env))
		settled()
	}
	finish := func() bool {
		defer cancel()
		return l.env.finish(ctx, phase)
	}
	// Nobody to wait for, or a log to wait for, or a reset that must be over before
	// the next environment needs the extensions' ports: finish first.
	if l.env.observers() == 0 || in.Tail || phase.failure == nil && !l.env.gated() || phase.failure != nil && l.env.set.Shared() {
		reusable := finish()
		answer := l.env.answer(phase)
		if renews, quickly := l.env.renews(); reusable && renews && !quickly {
			go settle(true) // an init, for which the caller shall not wait
		} else {
			settle(reusable)
		}
		return answer, nil
	}
	answer := l.env.answer(phase)
	go func() { settle(finish()) }() // waited for by Shutdown through leased
	return answer, nil
}

// renew makes an environment new after an invocation, where it is isolated by
// request; false if it cannot be used again, and is gone.
func (p *Pool) renew(env *environment) bool {
	renews, quickly := env.renews()
	if !renews {
		return true
	}
	if !quickly {
		p.tellOfInits(env)
	}
	ctx := context.Background()
	if err := env.renew(ctx); err != nil {
		env.log.Warn().Err(err).Msg("an environment could not be made new after an invocation and was ended")
		env.shutdown(ctx, reasonSpindown)
		return false
	}
	return true
}

// giveBack takes a leased environment back: warm, or gone; nil is one that could not be
// made.
func (p *Pool) giveBack(env *environment, reusable bool) {
	p.mu.Lock()
	p.out--
	keep := reusable && !p.closed
	if keep {
		env.idleSince = time.Now()
		key := versionKey(env.version)
		p.warm[key] = append(p.warm[key], env)
	}
	p.mu.Unlock()
	if reusable && !keep { // Shutdown may be waiting for ending already: nothing is added to it
		env.shutdown(context.Background(), env.endReason())
	}
	p.leased.Done()
}

// end shuts an environment down in the background.
func (p *Pool) end(env *environment) {
	reason := env.endReason()
	p.ending.Go(func() { env.shutdown(context.Background(), reason) })
}

// Retire ends the idle environments of v's function and version that were made
// for another revision than v's.
func (p *Pool) Retire(v catalogue.Version) {
	current := versionKey(v)
	arn := v.QualifiedARN()
	p.endWhere(func(env *environment) bool {
		return env.version.QualifiedARN() == arn && versionKey(env.version) != current
	})
}

// endWhere ends the warm environments that match.
func (p *Pool) endWhere(match func(*environment) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, stack := range p.warm {
		kept := stack[:0]
		for _, env := range stack {
			if match(env) {
				p.end(env)
			} else {
				kept = append(kept, env)
			}
		}
		clear(stack[len(kept):])
		if p.warm[key] = kept; len(kept) == 0 {
			delete(p.warm, key)
		}
	}
}

// sweep ends environments that have been idle for too long.
func (p *Pool) sweep() {
	defer close(p.swept)
	ticker := time.NewTicker(max(p.cfg.Idle/4, 10*time.Millisecond))
	defer ticker.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-ticker.C:
			oldest := time.Now().Add(-p.cfg.Idle)
			p.endWhere(func(env *environment) bool { return env.idleSince.Before(oldest) || env.broken() })
			if p.cfg.Snapshots != nil {
				p.cfg.Snapshots.Sweep()
			}
			p.forgetBroken()
		}
	}
}

// Shutdown refuses new leases, waits for those that are out within ctx, and
// ends every environment.
func (p *Pool) Shutdown(ctx context.Context) error {
	p.mu.Lock()
	already := p.closed
	p.closed = true
	p.mu.Unlock()
	if !already {
		close(p.stop)
	}
	<-p.swept
	err := wait(ctx, &p.leased, "an invocation was still running")
	p.endWhere(func(*environment) bool { return true })
	return errors.Join(err, wait(ctx, &p.ending, "an environment did not end in time"))
}

func wait(ctx context.Context, group *sync.WaitGroup, message string) error {
	done := make(chan struct{})
	go func() { group.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return errors.Join(errors.New(message), ctx.Err())
	}
}

// Count returns how many environments are idle and ready, and how many are handed out.
func (p *Pool) Count() (idle, active int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, stack := range p.warm {
		idle += len(stack)
	}
	return idle, p.out
}

// Warm returns how many environments are idle and ready.
func (p *Pool) Warm() int {
	idle, _ := p.Count()
	return idle
}
