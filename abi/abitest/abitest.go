// Package abitest is the suite that guests and hosts of the Lambent ABI are
// held to, whatever language a guest is written in and whatever engine runs it.
//
// A host joins by implementing [Runner] in its tests and calling the suites:
//
//	abitest.Conformance(t, runner, module)  // a guest of the ABI's test protocol
//	abitest.Snapshots(t, runner, module)    // the same, by a host that makes snapshots
//	abitest.AWSLambda(t, runner, module)    // an aws-lambda-go program
//	abitest.Command(t, runner, module)      // a plain WASI command
//
// A language joins by a guest that understands the test protocol. Its event is
// plain text, a command and its argument, and so is the answer:
//
//	echo TEXT          TEXT
//	context            five lines: request id, ARN, trace id, client context, identity
//	deadline           the deadline in milliseconds since the Unix epoch
//	count              how many invocations this instance has seen, this one included
//	env NAME           the environment variable
//	log TEXT           nothing; TEXT and a line feed go to standard error
//	big N              N bytes "x"
//	fail TYPE MESSAGE  a function error
//	hooks              two numbers: runs of the hook before a snapshot and of the one after a restore
//
// Anything else must end as a function error. With the variable FAIL_INIT set,
// init must fail; with FAIL_HOOK=before or after, that hook. The guests at hand are testdata/conformance (Go) and
// abi/c/sample/conformance.c; guests.go builds them. Read next: conformance.go.
package abitest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"
)

// Runner starts instances of modules. It may cache what it compiled, by the
// module's bytes: the suites start one module many times.
type Runner interface {
	// Start makes an instance that has not run yet. What it holds is released
	// by the instance's Close. Failures end the test.
	Start(t testing.TB, cfg Config) Instance
}

// Instance is one started module.
type Instance interface {
	// Init runs what precedes the first invocation.
	Init(ctx context.Context) error
	// Invoke runs one invocation to its end.
	Invoke(ctx context.Context, inv Invocation) Outcome
	// Close releases the instance. The suites call it once.
	Close(ctx context.Context) error
}

// Snapshotter is an [Instance] of a host that makes snapshots.
type Snapshotter interface {
	Instance
	// Snapshot captures the instance, which has been initialised and is used no
	// more. What it holds is released when the test ends.
	Snapshot(ctx context.Context, t testing.TB) (Snapshot, error)
}

// Snapshot is a captured instance.
type Snapshot interface {
	// Restore makes an instance of it that is ready to be invoked.
	Restore(ctx context.Context, t testing.TB) (Instance, error)
}

// Config says what to start.
type Config struct {
	Module []byte
	Env    []string // "NAME=value"
	// Stderr receives the log: standard error and, of a reactor, standard
	// output too.
	Stderr io.Writer
}

// Invocation is one event and its context.
type Invocation struct {
	Event                                                           []byte
	RequestID, FunctionARN, TraceID, ClientContext, CognitoIdentity string
	Deadline                                                        time.Time
}

// Outcome is how an invocation ended.
type Outcome struct {
	// Payload is the response.
	Payload []byte
	// Document is the error document of a function error, nil without one.
	Document []byte
	// Exited is true when the guest ended itself, with ExitCode.
	Exited   bool
	ExitCode uint32
	// Fault is any other reason for which the instance cannot go on: a trap, a
	// response past the limit.
	Fault error
}

// limit bounds what a suite does with one instance; it leaves room for
// compiling a large module on a slow machine.
const limit = 3 * time.Minute

// subject is an instance under test.
type subject struct {
	testing.TB
	ctx  context.Context
	inst Instance
	log  *bytes.Buffer
}

// begin starts and initialises module.
func begin(t testing.TB, runner Runner, module []byte, env ...string) *subject {
	t.Helper()
	s := prepare(t, runner, module, env...)
	if err := s.inst.Init(s.ctx); err != nil {
		t.Fatalf("init: %v\n%s", err, s.log)
	}
	return s
}

// prepare starts module and leaves init to the caller.
func prepare(t testing.TB, runner Runner, module []byte, env ...string) *subject {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	s := &subject{TB: t, ctx: ctx, log: &bytes.Buffer{}}
	s.inst = runner.Start(t, Config{Module: module, Env: env, Stderr: s.log})
	t.Cleanup(func() {
		if err := s.inst.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
		cancel()
	})
	return s
}

// invocation is an unremarkable one.
func invocation(event string) Invocation {
	return Invocation{
		Event:       []byte(event),
		RequestID:   "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
		FunctionARN: "arn:aws:lambda:us-east-1:000000000000:function:conformance",
		Deadline:    time.Now().Add(time.Minute),
	}
}

// invoke runs one event.
func (s *subject) invoke(event string) Outcome {
	s.Helper()
	return s.inst.Invoke(s.ctx, invocation(event))
}

// succeeds runs one event that must be answered, and returns the answer.
func (s *subject) succeeds(inv Invocation) string {
	s.Helper()
	out := s.inst.Invoke(s.ctx, inv)
	if out.Fault != nil || out.Exited || out.Document != nil {
		s.Fatalf("%.80q: document %s, exited %v with %d, fault %v\n%s",
			inv.Event, out.Document, out.Exited, out.ExitCode, out.Fault, s.log)
	}
	return string(out.Payload)
}

// answers runs one event that must be answered with want.
func (s *subject) answers(event, want string) {
	s.Helper()
	if got := s.succeeds(invocation(event)); got != want {
		s.Errorf("%.80q: answer %.200q, want %.200q", event, got, want)
	}
}

// document is Lambda's error document.
type document struct {
	ErrorMessage string `json:"errorMessage"`
	ErrorType    string `json:"errorType"`
	StackTrace   []struct {
		Path  string `json:"path"`
		Line  int    `json:"line"`
		Label string `json:"label"`
	} `json:"stackTrace"`
}

// fails runs one event that must end as a function error of that type, with
// text in its message, and returns the document.
func (s *subject) fails(event, errorType, text string) (document, Outcome) {
	s.Helper()
	out := s.invoke(event)
	var doc document
	if out.Document == nil {
		s.Fatalf("%q: no function error: payload %.80q, exited %v with %d, fault %v\n%s",
			event, out.Payload, out.Exited, out.ExitCode, out.Fault, s.log)
	}
	if err := json.Unmarshal(out.Document, &doc); err != nil {
		s.Fatalf("%q: error document %q: %v", event, out.Document, err)
	}
	if doc.ErrorType != errorType || !strings.Contains(doc.ErrorMessage, text) {
		s.Errorf("%q: error %q %q, want type %q and %q in the message", event, doc.ErrorType, doc.ErrorMessage, errorType, text)
	}
	return doc, out
}
