// Package extensions runs the extension processes of an execution environment:
// it finds and starts them, serves Lambda's Extensions API (2020-01-01) and
// Telemetry API (2022-07-01) to them, hands out INVOKE and SHUTDOWN, delivers
// telemetry, and sees to it that nothing is left of them at the end.
//
// One [Set] belongs to one environment. Its life is the environment's:
//
//	set, err := extensions.Start(ctx, cfg)  // processes run and have registered
//	err = set.FinishInit(ctx)               // each has asked for its first event
//	set.Invoke(ev)                          // INVOKE is handed out
//	err = set.AwaitIdle(ctx)                // each has asked for the next event
//	err = set.Shutdown(ctx, "spindown", 2*time.Second)
//
// The state of an extension is in registry.go and lifecycle.go, its process in
// process.go, its telemetry in delivery.go. Read next: package place for where
// the processes run, package extapi for the wire, package sdk for the other side, package extensionstest to try an
// extension out.
package extensions

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/extensions/httpapi"
	"github.com/lambent-host/lambent/extensions/place"
	"github.com/lambent-host/lambent/telemetry"
)

// Function is what a register call is answered with.
type Function struct {
	Name, Version, Handler, AccountID, ARN string
}

// Config is what a set needs.
type Config struct {
	// Dir is searched for extensions: every regular file directly in it. "" or a
	// folder that does not exist means there are none.
	Dir string
	// Executables are started beside those.
	Executables []string
	// Place is where the processes run; nil means [place.Loopback]. Opt and Tmp are
	// what they see as /opt and /tmp, where the place gives them files of their own:
	// see [place.Environment].
	Place    place.Place
	Opt, Tmp string
	// Scope makes the set one of the host's; nil: it belongs to one environment.
	Scope *HostScope
	// Function is the environment's function.
	Function Function
	// Env is the function's environment, "K=V"; what an extension does not get
	// to see of it is taken out.
	Env []string
	// Stream receives the platform events and the output of the extensions, and
	// is what those of an environment subscribe to.
	Stream *telemetry.Stream
	// Log is for the operator.
	Log zerolog.Logger
	// Observe, if set, is told of every call and of every start and end of a
	// process. It must not block and not call the Set.
	Observe func(Activity)
	// ObserveDelivery, if set, is told of every try to deliver telemetry. It
	// holds up only the subscription concerned, and must not call the Set.
	ObserveDelivery func(Delivery)
	// Settled, if set, is told the account of each subscription at its end. It must
	// not block and not call the Set.
	Settled func(Account)
	// Tap, if set, is put before the API: it sees every call of an extension, and
	// may answer it instead. It is how a test watches the wire.
	Tap func(http.Handler) http.Handler
}

// Activity is something an extension did, or that was done to it.
type Activity struct {
	At        time.Time
	Extension string
	// What is started, registered, subscribed, next, INVOKE, SHUTDOWN, init/error,
	// exit/error, refused, exited or killed.
	What string
	// Detail is an error type, a request id, an exit status, ... or empty.
	Detail string
}

// InvokeEvent is what an INVOKE tells.
type InvokeEvent struct {
	// EnvironmentID is told in the host scope only.
	EnvironmentID string
	RequestID     string
	FunctionARN   string
	TraceID       string // X-Amzn-Trace-Id; "" if there is none
	Deadline      time.Time
}

// ExtensionError says that an extension broke the environment it belongs to.
type ExtensionError struct {
	// Name of the extension.
	Name string
	// Type is Extension.LaunchError, Extension.InitError, Extension.ExitError or
	// Extension.Crash.
	Type string
	// Reason is the extension's own error type, or what became of its process.
	Reason string
	// Advice is what the operator can do about it; "" if nothing is known.
	Advice string
}

// Error names the extension, and gives the advice.
func (e *ExtensionError) Error() string {
	text := fmt.Sprintf("extension %s: %s: %s", e.Name, e.Type, e.Reason)
	if e.Advice != "" {
		text += ": " + e.Advice
	}
	return text
}

// Set is the extensions of one execution environment. Its methods are safe for
// concurrent use, but a life has one order, which the package comment shows.
type Set struct {
	cfg    Config
	log    zerolog.Logger
	ctx    context.Context // done when everything has to end
	cancel context.CancelFunc
	server *http.Server // nil for an empty set
	addr   string
	room   place.Room     // nil for an empty set
	client *http.Client   // posts telemetry
	tasks  sync.WaitGroup // server, deliveries
	conns  sync.WaitGroup // connections of the server

	down     sync.Mutex // held by Shutdown
	downDone bool

	mu           sync.Mutex
	changed      chan struct{} // closed and replaced when anything below changes
	all          []*extension  // in the order of start and registration
	registration bool          // open
	telemetry    bool          // open for subscriptions
	reported     bool          // platform.extension was published
	stopping     bool
	broken       context.CancelCauseFunc // of Bind; nil while nothing is bound
}

// Start finds the extensions, opens a room for them, serves their API in it,
// starts one process each and returns when all of them have registered. ctx
// bounds that and not the life of the set. Without extensions the set is empty:
// no port, no process, no goroutine.
//
// An extension that cannot be started, ends or reports an error is an
// [*ExtensionError]; when ctx is done first, the error wraps ctx.Err() and names
// who has not registered. After an error nothing is left running.
func Start(ctx context.Context, cfg Config) (*Set, error) {
	s := &Set{cfg: cfg, log: cfg.Log, changed: make(chan struct{}), registration: true, telemetry: true}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	paths, err := cfg.paths()
	if err != nil {
		s.cancel()
		return nil, err
	}
	if len(paths) == 0 {
		return s, nil
	}
	if err := s.open(ctx, paths); err != nil {
		s.cancel()
		return nil, err
	}
	if err = s.launch(paths); err == nil {
		err = s.await(ctx, s.allRegistered)
	}
	if err != nil {
		s.report(err)
		return nil, errors.Join(err, s.Shutdown(context.WithoutCancel(ctx), extapi.ReasonFailure, 0))
	}
	return s, nil
}

// Shared tells whether another set's extensions cannot listen on the ports of this
// one's.
func (s *Set) Shared() bool { return place.Shared(s.room) }

// Len is how many extensions the set has, internal ones included.
func (s *Set) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.all)
}

// headerTimeout bounds how long a caller may take to send a request's header. A
// next call waits without a limit: clients have none and set none.
const headerTimeout = 10 * time.Second

// open takes the room and serves the API in it.
func (s *Set) open(ctx context.Context, paths []string) error {
	where := s.cfg.Place
	if where == nil {
		where = place.Loopback{}
	}
	room, listener, err := where.Open(ctx, place.Environment{Extensions: paths, Opt: s.cfg.Opt, Tmp: s.cfg.Tmp})
	if err != nil {
		return fmt.Errorf("make a place for extensions: %w", err)
	}
	s.room, s.addr = room, listener.Addr().String()
	s.client = newTelemetryClient(room)
	api := httpapi.New(registry{s}, registry{s}, s.log)
	if s.cfg.Tap != nil {
		api = s.cfg.Tap(api)
	}
	s.server = &http.Server{
		Handler:           api,
		ReadHeaderTimeout: headerTimeout,
		BaseContext:       func(net.Listener) context.Context { return s.ctx },
		ConnState:         s.connState,
	}
	s.tasks.Go(func() {
		if err := s.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error().Err(err).Msg("extensions API stopped")
		}
	})
	return nil
}

// connState counts the server's connections, so that Shutdown can wait until
// their goroutines have ended.
func (s *Set) connState(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.conns.Add(1)
	case http.StateClosed, http.StateHijacked:
		s.conns.Done()
	}
}

// launch starts a process for each path. The first that cannot be started ends
// it, as on Lambda.
func (s *Set) launch(paths []string) error {
	env := environ(s.cfg.Env, s.addr)
	for _, path := range paths {
		if err := s.launchOne(path, env); err != nil {
			return err
		}
	}
	return nil
}

// launchOne holds the lock from before the process runs: what it does comes
// after its start for whoever observes.
func (s *Set) launchOne(path string, env []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := &extension{name: filepath.Base(path), id: uuid.NewString(), state: stateStarted}
	s.all = append(s.all, x)
	proc, err := startProcess(s.room, path, env, s.cfg.Stream, func(status, output string) { s.exited(x, status, output) })
	if err != nil {
		s.fail(x, stateLaunchError, extapi.FatalLaunchError, launchReason(err), "")
		return x.failed
	}
	x.proc = proc
	s.observe(x, "started", "")
	return nil
}

// observe is called with the lock.
func (s *Set) observe(x *extension, what, detail string) {
	s.log.Debug().Str("extension", x.name).Str("what", what).Str("detail", detail).Msg("extension activity")
	if s.cfg.Observe != nil {
		s.cfg.Observe(Activity{At: time.Now(), Extension: x.name, What: what, Detail: detail})
	}
}
