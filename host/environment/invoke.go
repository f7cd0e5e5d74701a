package environment

import (
	"context"
	"time"

	"github.com/lambent-host/lambent/extensions"
	"github.com/lambent-host/lambent/sandbox"
	"github.com/lambent-host/lambent/telemetry"
)

// Invocation is one event for an environment.
type Invocation struct {
	RequestID string
	// FunctionARN is the ARN the function was invoked by, qualifier included.
	FunctionARN string
	// TraceID is the X-Amzn-Trace-Id of this invocation, or empty.
	TraceID string
	// ClientContext is a JSON object, or empty.
	ClientContext string
	Payload       []byte
	// Deadline bounds the whole Invoke phase, extensions included.
	Deadline time.Time
	// Tail asks for the end of the log; the answer then waits for the extensions,
	// because the last line of the log reports their time as well.
	Tail bool
	// Reported, which may be nil, is told how the phase went, once extensions are
	// done with it: that may be after the caller was answered.
	Reported func(Report)
}

// Answer is what the caller of an invocation gets.
type Answer struct {
	Payload []byte
	// FunctionError is "" or "Unhandled".
	FunctionError string
	// LogTail is at most [TailBytes]; nil unless asked for.
	LogTail []byte
	// Cold tells that this was the environment's first invocation, and
	// InitDuration how long its init phase took.
	Cold         bool
	InitDuration time.Duration
}

// phase is one Invoke phase under way.
type phase struct {
	in       Invocation
	began    time.Time
	ended    time.Time // when the runtime was done
	produced int
	cold     bool
	repeated bool          // init, before the function ran
	cpu      time.Duration // that the instance had used before
	failure  *failure
	result   sandbox.Result
}

// invoke runs the function. The phase is not over when it returns: finish waits
// for the extensions and reports.
func (e *environment) invoke(ctx context.Context, in Invocation) (*phase, error) {
	p := &phase{in: in, began: time.Now(), cold: !e.invoked, cpu: e.cpuTime()}
	e.invoked = true
	if e.initFailure != nil {
		if err := e.initAgain(ctx, p); err != nil {
			return nil, err
		}
	}
	e.start(p) // on Lambda, too, the init that is repeated comes before
	if p.failure == nil {
		if err := e.run(ctx, p); err != nil {
			return nil, err
		}
	}
	e.output.flush()
	p.ended = time.Now()
	e.runtimeDone(p)
	return p, nil
}

func (e *environment) run(ctx context.Context, p *phase) error {
	ctx, release := e.set.Bind(ctx)
	defer release()
	event := extensions.InvokeEvent{
		RequestID:   p.in.RequestID,
		FunctionARN: p.in.FunctionARN,
		TraceID:     p.in.TraceID,
		Deadline:    p.in.Deadline,
	}
	e.set.Invoke(event)
	if e.cfg.Observe != nil {
		event.EnvironmentID = e.id
		e.cfg.Observe(e.version.FunctionName, event)
	}
	var err error
	p.result, err = e.instance.Invoke(ctx, sandbox.Invocation{
		Event:         p.in.Payload,
		RequestID:     p.in.RequestID,
		FunctionARN:   p.in.FunctionARN,
		TraceID:       p.in.TraceID,
		ClientContext: p.in.ClientContext,
		Deadline:      p.in.Deadline,
	})
	if err == nil {
		p.produced = len(p.result.Payload)
		return nil
	}
	if p.failure = e.faultFailure(ctx, err, e.timeout()); p.failure == nil {
		return &InternalError{cause: err}
	}
	if reported := p.result.Error; reported != nil {
		// The guest told why before it went: an unmodified aws-lambda-go handler
		// reports a panic and then exits.
		p.failure.document = reported.Document
	}
	return nil
}

// initAgain repeats a failed init, extensions included, inside the first
// invocation, on the invocation's time, as Lambda does; only if it fails once more
// the caller hears of it. A restore is not repeated.
func (e *environment) initAgain(ctx context.Context, p *phase) error {
	if e.snapshot != nil {
		p.failure = e.initFailure
		return nil
	}
	p.repeated = true
	e.traceID = p.in.TraceID
	if err := e.initPhase(ctx, telemetry.PhaseInvoke); err != nil {
		return err
	}
	if p.failure = e.initFailure; p.failure != nil && p.failure.kind == telemetry.StatusTimeout {
		p.failure = timeoutFailure(e.timeout())
	}
	return nil
}

// timeout is the function's own, which bounds an Invoke phase.
func (e *environment) timeout() time.Duration {
	return time.Duration(e.version.Timeout) * time.Second
}

// finish waits until the extensions are done, reports, and tells whether the
// environment can be used again. The environment is shut down if it cannot.
func (e *environment) finish(ctx context.Context, p *phase) (reusable bool) {
	late := false
	if p.failure == nil {
		if err := e.set.AwaitIdle(ctx); err != nil {
			p.failure, late = extensionFailure(err, e.timeout()), true
		}
	}
	e.report(p)
	if p.in.Reported != nil {
		p.in.Reported(e.told(p, late))
	}
	if p.failure != nil {
		e.shutdown(context.WithoutCancel(ctx), p.failure.reason())
		return false
	}
	return true
}

// answer is what the caller gets for the phase as it stands.
func (e *environment) answer(p *phase) Answer {
	a := Answer{Payload: p.result.Payload, Cold: p.cold, InitDuration: e.initDuration}
	switch {
	case p.failure != nil:
		a.Payload, a.FunctionError = p.failure.body(p.in.RequestID), unhandled
	case p.result.Error != nil:
		a.Payload, a.FunctionError = p.result.Error.Document, unhandled
	}
	if p.in.Tail {
		a.LogTail = e.output.tail.bytes()
	}
	return a
}

// unhandled is the value of X-Amz-Function-Error for every failure of a
// function; "Handled" is a legacy that Lambda no longer sends.
const unhandled = "Unhandled"
