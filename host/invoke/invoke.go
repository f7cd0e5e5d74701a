package invoke

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"

	"github.com/lambent-host/lambent/host/admission"
	"github.com/lambent-host/lambent/host/catalogue"
	"github.com/lambent-host/lambent/host/environment"
)

// Resolver finds the version that an invocation runs; *catalogue.Catalogue does.
type Resolver interface {
	Resolve(name, qualifier string, dice float64) (catalogue.Version, error)
}

// Environments places invocations; *environment.Pool does.
type Environments interface {
	Acquire(ctx context.Context, v catalogue.Version, traceID string) (*environment.Lease, error)
}

// Config is what the chain is made of.
type Config struct {
	Resolver     Resolver
	Admission    *admission.Admission
	Environments Environments
	Tracer       trace.Tracer
	// Meter counts invocations; nil means that nobody does.
	Meter metric.Meter
	// Dice returns a number in [0,1) for aliases that split their traffic.
	Dice func() float64
	Now  func() time.Time
}

// call is one invocation on its way down the chain.
type call struct {
	req      *Request
	version  catalogue.Version
	span     trace.Span // the whole invocation's
	lease    *environment.Lease
	deadline time.Time
	// settle undoes what was counted in, once the environment is free again:
	// that may be after the caller has been answered.
	settle func()
}

// step is one link of the chain. A step that returns an error has not handed
// call.settle on.
type step func(ctx context.Context, c *call) (*Outcome, error)

// New returns the chain of an invocation, and is its table of contents: observe
// it, resolve the version, admit it, place it in an environment, set its
// deadline, run it. Observing comes first so that a refusal is part of the
// trace; the deadline comes after the placing because init has a limit of its
// own and does not count against the function's timeout.
func New(cfg Config) Invoker {
	if cfg.Meter == nil {
		cfg.Meter = metricnoop.Meter{}
	}
	m := newMeters(cfg.Meter)
	return observe(cfg, m, resolve(cfg, admit(cfg, place(cfg, deadline(cfg, run(cfg, m))))))
}

// Invoke makes a step an Invoker.
func (s step) Invoke(ctx context.Context, req *Request) (*Outcome, error) {
	return s(ctx, &call{req: req, settle: func() {}})
}

// resolve finds the version: name and qualifier, an alias's weights.
func resolve(cfg Config, next step) step {
	return func(ctx context.Context, c *call) (*Outcome, error) {
		_, span := cfg.Tracer.Start(ctx, "resolve")
		v, err := cfg.Resolver.Resolve(c.req.FunctionName, c.req.Qualifier, cfg.Dice())
		end(span, err)
		if err != nil {
			return nil, err
		}
		c.version = v
		resolved(c.span, v)
		return next(ctx, c)
	}
}

// admit counts the invocation in until its environment has settled.
func admit(cfg Config, next step) step {
	return func(ctx context.Context, c *call) (*Outcome, error) {
		_, span := cfg.Tracer.Start(ctx, "admit")
		release, err := cfg.Admission.Admit()
		end(span, err)
		if err != nil {
			return nil, err
		}
		c.settle = release
		outcome, err := next(ctx, c)
		if err != nil {
			release()
		}
		return outcome, err
	}
}

// place gets an environment: a warm one, or a new one and its init or restore.
func place(cfg Config, next step) step {
	return func(ctx context.Context, c *call) (*Outcome, error) {
		within, span := cfg.Tracer.Start(ctx, "acquire")
		lease, err := cfg.Environments.Acquire(ctx, c.version, traceIDOf(within))
		if err == nil {
			placed(c.span, span, lease)
		}
		end(span, err)
		if err != nil {
			return nil, err
		}
		c.lease = lease
		return next(ctx, c)
	}
}

// deadline sets the one deadline of the whole Invoke phase, extensions included.
func deadline(cfg Config, next step) step {
	return func(ctx context.Context, c *call) (*Outcome, error) {
		c.deadline = cfg.Now().Add(time.Duration(c.version.Timeout) * time.Second)
		return next(ctx, c)
	}
}

// run has the environment run the function.
func run(cfg Config, m *meters) step {
	return func(parent context.Context, c *call) (*Outcome, error) {
		ctx, span := cfg.Tracer.Start(parent, "invoke")
		traceID := traceIDOf(ctx)
		answer, err := c.lease.Invoke(ctx, environment.Invocation{
			RequestID:     c.req.RequestID,
			FunctionARN:   invokedARN(c),
			TraceID:       traceID,
			ClientContext: c.req.ClientContext,
			Payload:       c.req.Payload,
			Deadline:      c.deadline,
			Tail:          c.req.Tail,
			Reported: func(r environment.Report) {
				m.reported(parent, c, r)
				repeated(ctx, cfg.Tracer, r)
				overhead(parent, cfg.Tracer, r)
			},
		}, c.settle)
		if answer.FunctionError != "" {
			failed(c.span, span, answer.Payload)
		}
		end(span, err)
		if err != nil {
			return nil, err
		}
		return &Outcome{
			Payload:         answer.Payload,
			FunctionError:   answer.FunctionError,
			ExecutedVersion: c.version.Version,
			LogTail:         answer.LogTail,
			RequestID:       c.req.RequestID,
			TraceID:         traceID,
			ContentType:     "application/json",
		}, nil
	}
}

// invokedARN is the ARN the caller used: with a qualifier only if one was given.
func invokedARN(c *call) string {
	if c.req.Qualifier == "" {
		return c.version.FunctionARN
	}
	return c.version.FunctionARN + ":" + c.req.Qualifier
}
