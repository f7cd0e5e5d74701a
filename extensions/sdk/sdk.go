// Package sdk is for the authors of Lambda extensions: a program hands [Run] its
// callbacks and is an extension. It registers, receives INVOKE and SHUTDOWN,
// listens for telemetry if asked to, and ends in time. The same binary runs on
// Lambent and on AWS Lambda.
//
//	func main() {
//		err := sdk.Run(context.Background(), sdk.Config{
//			OnTelemetry: func(ctx context.Context, events []telemetry.Event) error {
//				return export(ctx, events)
//			},
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//	}
//
// Build it, put it into the folder that the host searches (on AWS: extensions/
// in a layer), done. [Client] is the layer below, for programs that want their
// own loop. Complete programs are in extensions/examples.
package sdk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/telemetry"
)

// Event is an INVOKE or a SHUTDOWN.
type Event = extapi.Event

// Info is what the platform tells about the function when an extension
// registers.
type Info = extapi.Registered

// Config is an extension. All callbacks are optional.
type Config struct {
	// OnInit is called after the extension has registered and before it asks for
	// its first event: the time to open what it needs. An error ends the
	// environment's init phase.
	OnInit func(ctx context.Context, info Info) error
	// OnInvoke is called for each invocation while the function runs. The
	// invocation does not end before it has returned. Leave it nil if the
	// extension need not know: invocations are then never held up by it.
	OnInvoke func(ctx context.Context, ev Event) error
	// OnShutdown is called once at the end; ctx ends when the process will be
	// killed. All batches that arrived before have gone through OnTelemetry, unless
	// that took more than three quarters of the time there was: then one may still be
	// there, beside OnShutdown.
	OnShutdown func(ctx context.Context, ev Event) error
	// OnTelemetry is called with each batch of events, in order and never twice
	// at once, beside the other callbacks. After an error the platform sends the
	// batch again; it may also send one again whose answer it did not see. The
	// slice is the callback's to keep.
	OnTelemetry func(ctx context.Context, events []telemetry.Event) error
	// Telemetry tells what OnTelemetry is to receive and how.
	Telemetry Telemetry

	// Name is the extension's name; "" means the base name of the executable,
	// which the platform demands of an extension that it has started.
	Name string
	// API is the address of the Extensions API; "" means the one in the
	// environment variable AWS_LAMBDA_RUNTIME_API.
	API string
}

// Telemetry is a subscription. The zero value receives all events of schema
// 2022-12-13 in batches by the platform's defaults.
type Telemetry struct {
	// Types to receive; empty means platform, function and extension.
	Types []telemetry.Category
	// Schema version; "" means 2022-12-13.
	Schema telemetry.Schema
	// MaxItems (1000 to 10000), MaxBytes (262144 to 1048576) and Timeout (25 ms to
	// 30 s): a batch leaves when one is reached. 0 is the platform's default.
	MaxItems, MaxBytes int
	Timeout            time.Duration
	// Protocol by which it comes; "" means [HTTP].
	Protocol Protocol
	// Port to listen on; 0 means a free one.
	Port int
	// Linger is how long to go on receiving after SHUTDOWN, for a platform that
	// delivers the last events only then, as AWS does. 0 means not at all. It takes no
	// more than three quarters of the time there is.
	Linger time.Duration
}

// Protocol is how telemetry comes.
type Protocol string

// The protocols of the Telemetry API.
const (
	// HTTP has every batch answered: what the callback did not take comes again.
	HTTP Protocol = "HTTP"
	// TCP has no answers: it costs less, and an event whose callback fails is lost.
	TCP Protocol = "TCP"
)

// ReasonSignal is the reason of the Shutdown event that a SIGTERM makes.
const ReasonSignal = "sigterm"

// signalBudget is what an end may take that nobody has given a deadline, as that by
// SIGTERM: what Lambda gives an extension.
const signalBudget = 2 * time.Second

// Run is the life of an extension. It returns nil after SHUTDOWN, and when ctx
// is done. An error of a callback is told to the platform and returned; the
// program should then exit. Lambda does not send SIGTERM to extensions, supervisors and
// terminals do: it ends Run as SHUTDOWN does, with [ReasonSignal], once OnInit has
// returned. One that comes during SHUTDOWN changes nothing.
func Run(ctx context.Context, cfg Config) error {
	caller := ctx
	ctx, stop := untilSignal(ctx)
	defer stop()
	if cfg.Name == "" {
		cfg.Name = filepath.Base(os.Args[0])
	}
	if cfg.API == "" {
		cfg.API = os.Getenv("AWS_LAMBDA_RUNTIME_API")
	}
	if cfg.API == "" {
		return errors.New("AWS_LAMBDA_RUNTIME_API is not set: an extension is started by its host")
	}
	client, info, err := Register(ctx, cfg.API, cfg.Name, cfg.events()...)
	switch {
	case ctx.Err() != nil:
		return nil
	case err != nil:
		return err
	}
	defer client.Close()
	r := &runner{cfg: cfg, client: client, caller: caller}
	defer r.closeListener()
	if err := r.init(ctx, info); err != nil {
		if ctx.Err() != nil {
			return r.interrupted(ctx)
		}
		return errors.Join(err, client.InitError(ctx, "Extension.InitFailed", err))
	}
	err = r.loop(ctx)
	switch {
	case r.ended && err == nil:
		return nil
	case r.ended:
		return errors.Join(err, client.ExitError(caller, "Extension.HandlerFailed", err))
	case ctx.Err() != nil:
		return r.interrupted(ctx)
	}
	return errors.Join(err, client.ExitError(ctx, "Extension.HandlerFailed", err))
}

// errSignal is the cause of a context that a SIGTERM has ended.
var errSignal = errors.New("SIGTERM")

// untilSignal returns a context that ends with a SIGTERM.
func untilSignal(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		select {
		case <-signals:
			cancel(errSignal)
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
		<-stopped
	}
}

func (c *Config) events() []extapi.EventType {
	if c.OnInvoke != nil {
		return []extapi.EventType{extapi.Invoke, extapi.Shutdown}
	}
	return []extapi.EventType{extapi.Shutdown}
}

// runner is an extension between register and its end.
type runner struct {
	cfg      Config
	client   *Client
	listener listener        // nil without OnTelemetry
	caller   context.Context //nolint:containedctx // Run's, which no signal ends
	begun    bool            // OnInit has had its way
	ended    bool            // the end has begun, and there is no second
}

func (r *runner) init(ctx context.Context, info Info) error {
	if r.cfg.OnInit != nil {
		if err := r.cfg.OnInit(ctx, info); err != nil {
			return err
		}
	}
	r.begun = true
	if r.cfg.OnTelemetry == nil {
		return nil
	}
	l, err := listen(ctx, r.cfg.Telemetry, r.cfg.OnTelemetry)
	if err != nil {
		return err
	}
	r.listener = l
	return r.client.Subscribe(ctx, r.cfg.Telemetry.request(l.port()))
}

func (r *runner) loop(ctx context.Context) error {
	for {
		ev, err := r.client.Next(ctx)
		if err != nil {
			return err
		}
		switch ev.EventType {
		case extapi.Invoke:
			if err := call(ctx, r.cfg.OnInvoke, ev); err != nil {
				return fmt.Errorf("invoke %s: %w", ev.RequestID, err)
			}
		case extapi.Shutdown:
			return r.shutdown(ev)
		}
	}
}

// drainShare is the part of the time to a shutdown's deadline that OnShutdown has to
// itself at least: one in drainShare.
const drainShare = 4

func (r *runner) shutdown(ev Event) error {
	r.ended = true
	if ev.DeadlineMs == 0 {
		ev.DeadlineMs = time.Now().Add(signalBudget).UnixMilli()
	}
	if r.listener != nil {
		until := ev.Deadline().Add(-time.Until(ev.Deadline()) / drainShare)
		r.listener.drain(r.caller, until, r.cfg.Telemetry.Linger)
	}
	if err := call(r.caller, r.cfg.OnShutdown, ev); err != nil {
		return fmt.Errorf("shutdown: %w", err)
	}
	return nil
}

// interrupted is the end by SIGTERM; one by the caller's context has no farewell, nor
// has an extension that has not begun.
func (r *runner) interrupted(ctx context.Context) error {
	if !errors.Is(context.Cause(ctx), errSignal) || !r.begun {
		return nil
	}
	return r.shutdown(Event{EventType: extapi.Shutdown, ShutdownReason: ReasonSignal})
}

func (r *runner) closeListener() {
	if r.listener != nil {
		r.listener.close()
	}
}

// call gives the callback the event's deadline, if it has one.
func call(ctx context.Context, callback func(context.Context, Event) error, ev Event) error {
	if callback == nil {
		return nil
	}
	if ev.DeadlineMs != 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, ev.Deadline())
		defer cancel()
	}
	return callback(ctx, ev)
}

// request is the subscription on the wire, for a listener on port.
func (t Telemetry) request(port int) extapi.SubscriptionRequest {
	req := extapi.SubscriptionRequest{
		SchemaVersion: t.Schema,
		Types:         t.Types,
		Destination: extapi.DestinationRequest{
			Protocol: extapi.ProtocolHTTP,
			URI:      fmt.Sprintf("http://%s:%d/", sandboxHost, port),
		},
		Buffering: &extapi.BufferingRequest{
			MaxItems: setInt(t.MaxItems), MaxBytes: setInt(t.MaxBytes), TimeoutMs: setInt(int(t.Timeout.Milliseconds())),
		},
	}
	if t.Protocol == TCP {
		req.Destination = extapi.DestinationRequest{Protocol: extapi.ProtocolTCP, Port: port}
	}
	if req.SchemaVersion == "" {
		req.SchemaVersion = telemetry.Schema20221213
	}
	if len(req.Types) == 0 {
		req.Types = []telemetry.Category{telemetry.CategoryPlatform, telemetry.CategoryFunction, telemetry.CategoryExtension}
	}
	return req
}

func setInt(n int) *int {
	if n == 0 {
		return nil
	}
	return &n
}
