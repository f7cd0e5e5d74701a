package extensions

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/extensions/sdk"
)

// call makes a raw request to the API of the set.
func (s *stage) call(method, path, body string, headers ...string) (status int, answer string, header http.Header) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.ctx(), method, "http://"+s.set.addr+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	return res.StatusCode, string(b), res.Header
}

func TestRegister(t *testing.T) {
	s := started(t, "good")
	status, body, header := s.call("POST", extapi.PathRegister, `{"events":["INVOKE"]}`,
		extapi.HeaderName, "in", extapi.HeaderAcceptFeature, "other, accountId")
	const want = `{"functionName":"f","functionVersion":"$LATEST","handler":"h","accountId":"000000000000"}`
	if status != 200 || body != want || uuid.Validate(header.Get(extapi.HeaderIdentifier)) != nil {
		t.Errorf("%d %s %v", status, body, header)
	}
	_, body, _ = s.call("POST", extapi.PathRegister, `{"events":[]}`, extapi.HeaderName, "in2")
	if strings.Contains(body, "accountId") {
		t.Errorf("an extension that did not ask for the account got %s", body)
	}
	if s.set.Len() != 3 {
		t.Errorf("Len is %d", s.set.Len())
	}
}

func TestRegisterRefused(t *testing.T) {
	s := started(t, "good")
	s.internal("in", extapi.Invoke)
	tests := []struct{ name, extension, body, typ, message string }{
		{"no name", "", `{"events":[]}`, extapi.ErrInvalidExtensionName, extapi.HeaderName},
		{"no JSON", "x", `{`, extapi.ErrInvalidRequestFormat, "body"},
		{"no body", "x", ``, extapi.ErrInvalidRequestFormat, "body"},
		{"wrong type", "x", `{"events":"INVOKE"}`, extapi.ErrInvalidRequestFormat, "events"},
		{"configuration keys", "x", `{"events":[],"configurationKeys":["A"]}`, extapi.ErrInvalidRequestFormat, "configurationKeys"},
		{"unknown event", "x", `{"events":["STOP"]}`, extapi.ErrInvalidEventType, "STOP: ErrorInvalidEventType"},
		{"internal with SHUTDOWN", "x", `{"events":["SHUTDOWN"]}`, extapi.ErrInvalidEventType, "ShutdownEventNotSupportedForInternalExtension"},
		{"external twice", "good", `{"events":[]}`, extapi.ErrInvalidExtensionState, "to Registered failed"},
		{"internal twice", "in", `{"events":[]}`, extapi.ErrInvalidExtensionState, "to Registered failed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			status, body, _ := s.call("POST", extapi.PathRegister, test.body, extapi.HeaderName, test.extension)
			if status != 403 || !strings.Contains(body, `"errorType":"`+test.typ+`"`) || !strings.Contains(body, test.message) {
				t.Errorf("%d %s", status, body)
			}
		})
	}
	for i := s.set.Len(); i < extapi.MaxExtensions; i++ {
		s.internal(fmt.Sprint("filler", i))
	}
	_, body, _ := s.call("POST", extapi.PathRegister, `{"events":[]}`, extapi.HeaderName, "eleventh")
	if !strings.Contains(body, extapi.ErrTooManyExtensions) || !strings.Contains(body, "Extension limit (10) reached") {
		t.Errorf("the eleventh extension: %s", body)
	}
}

func TestRegistrationCloses(t *testing.T) {
	s := ready(t, "good")
	status, body, _ := s.call("POST", extapi.PathRegister, `{"events":[]}`, extapi.HeaderName, "late")
	if status != 403 || !strings.Contains(body, extapi.ErrRegistrationClosed) {
		t.Errorf("%d %s", status, body)
	}
}

func TestWrongOrder(t *testing.T) {
	s := started(t, "good")
	_, _, header := s.call("POST", extapi.PathRegister, `{"events":[]}`, extapi.HeaderName, "in")
	in := header.Get(extapi.HeaderIdentifier)
	tests := []struct{ name, method, path, id, errorType, want string }{
		{"next without identifier", "GET", extapi.PathNext, "", "", extapi.ErrMissingExtensionIdentifier},
		{"next with a wrong identifier", "GET", extapi.PathNext, "me", "", extapi.ErrInvalidExtensionIdentifier},
		{"next with an unknown identifier", "GET", extapi.PathNext, uuid.NewString(), "", extapi.ErrUnknownExtensionIdentifier},
		{"init/error of nobody", "POST", extapi.PathInitError, uuid.NewString(), "Extension.X", extapi.ErrUnknownExtensionIdentifier},
		{"init/error without a type", "POST", extapi.PathInitError, in, "", extapi.ErrMissingHeader},
		{"exit/error", "POST", extapi.PathExitError, in, "Extension.X", `{"status":"OK"}`},
		{"exit/error again", "POST", extapi.PathExitError, in, "Extension.X", `{"status":"OK"}`},
		{"init/error after exit/error", "POST", extapi.PathInitError, in, "Extension.X", extapi.ErrInvalidExtensionState},
		{"next after exit/error", "GET", extapi.PathNext, in, "", extapi.ErrInvalidExtensionState},
		{"no such path", "GET", "/2020-01-01/extension", in, "", extapi.ErrInvalidRequestFormat},
		{"wrong method", "POST", extapi.PathNext, in, "", extapi.ErrInvalidRequestFormat},
		{"Logs API without a body", "PUT", extapi.PathLogs, in, "", extapi.ErrLogsDeserialization},
	}
	for _, test := range tests {
		_, body, _ := s.call(test.method, test.path, "", extapi.HeaderIdentifier, test.id, extapi.HeaderFunctionErrorType, test.errorType)
		if !strings.Contains(body, test.want) {
			t.Errorf("%s: %s", test.name, body)
		}
	}
}

func TestBodyTooLarge(t *testing.T) {
	s := started(t, "good")
	huge := `{"events":["` + strings.Repeat("x", extapi.MaxBodyBytes) + `"]}`
	status, body, _ := s.call("POST", extapi.PathRegister, huge, extapi.HeaderName, "x")
	if status != 413 || !strings.Contains(body, extapi.ErrRequestEntityTooLarge) {
		t.Errorf("%d %s", status, body)
	}
}

func TestOneNextAtATime(t *testing.T) {
	s := started(t, "good")
	c := s.internal("in", extapi.Invoke)
	first := make(chan sdk.Event, 1)
	go func() {
		ev, _ := c.Next(s.ctx())
		first <- ev
	}()
	if err := s.set.FinishInit(s.ctx()); err != nil {
		t.Fatal(err)
	}
	_, err := c.Next(s.ctx())
	var refused *extapi.Error
	if !errors.As(err, &refused) || refused.Type != extapi.ErrInvalidExtensionState {
		t.Errorf("a second next beside the first: %v", err)
	}
	s.set.Invoke(InvokeEvent{RequestID: "r1", Deadline: time.Now()})
	if ev := <-first; ev.RequestID != "r1" {
		t.Errorf("the first next got %+v", ev)
	}
}

// TestLostConnectionKeepsEvent has a caller of next go away: the event is for
// its next call.
func TestLostConnectionKeepsEvent(t *testing.T) {
	s := started(t, "good")
	c := s.internal("in", extapi.Invoke)
	ctx, cancel := context.WithCancel(s.ctx())
	gone := make(chan error, 1)
	go func() {
		_, err := c.Next(ctx)
		gone <- err
	}()
	if err := s.set.FinishInit(s.ctx()); err != nil {
		t.Fatal(err)
	}
	cancel()
	<-gone
	waiting := func() (bool, error) { return s.set.all[1].waiting, nil }
	left := func() (bool, error) { ok, _ := waiting(); return !ok, nil }
	if err := s.set.await(s.ctx(), left); err != nil {
		t.Fatal(err)
	}
	s.set.Invoke(InvokeEvent{RequestID: "r1", Deadline: time.Now()})
	if ev, err := c.Next(s.ctx()); err != nil || ev.RequestID != "r1" {
		t.Errorf("got %+v, %v", ev, err)
	}
}

func TestEventsOnTheWire(t *testing.T) {
	s := started(t, "good")
	_, _, header := s.call("POST", extapi.PathRegister, `{"events":["INVOKE"]}`, extapi.HeaderName, "in")
	id := header.Get(extapi.HeaderIdentifier)
	for _, trace := range []string{"Root=1-a", ""} {
		want := `{"eventType":"INVOKE","deadlineMs":1700000000123,"requestId":"r1","invokedFunctionArn":"arn"}`
		if trace != "" {
			want = strings.TrimSuffix(want, "}") + `,"tracing":{"type":"X-Amzn-Trace-Id","value":"Root=1-a"}}`
		}
		s.set.Invoke(InvokeEvent{RequestID: "r1", FunctionARN: "arn", TraceID: trace, Deadline: time.UnixMilli(1700000000123)})
		status, body, header := s.call("GET", extapi.PathNext, "", extapi.HeaderIdentifier, id)
		if status != 200 || body != want || uuid.Validate(header.Get(extapi.HeaderEventIdentifier)) != nil ||
			!strings.HasPrefix(header.Get("Content-Type"), "application/json") {
			t.Errorf("got %d %s %v, want %s", status, body, header, want)
		}
	}
}

// TestUnsentEventIsKept has the write of an event fail.
func TestUnsentEventIsKept(t *testing.T) {
	s := started(t, "good")
	s.internal("in", extapi.Invoke)
	id := s.set.all[1].id
	s.set.Invoke(InvokeEvent{RequestID: "r1", Deadline: time.Now()})
	broken := errors.New("broken pipe")
	err := registry{s.set}.Next(s.ctx(), id, func(extapi.Event) error { return broken })
	if !errors.Is(err, broken) {
		t.Fatal(err)
	}
	var got extapi.Event
	err = registry{s.set}.Next(s.ctx(), id, func(ev extapi.Event) error {
		got = ev
		return nil
	})
	if err != nil || got.RequestID != "r1" {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestCallerThatIsGone leaves the event for the next call.
func TestCallerThatIsGone(t *testing.T) {
	s := started(t, "good")
	s.internal("in", extapi.Invoke)
	id := s.set.all[1].id
	s.set.Invoke(InvokeEvent{RequestID: "r1", Deadline: time.Now()})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := registry{s.set}.Next(ctx, id, func(extapi.Event) error {
		t.Error("an event was handed to nobody")
		return nil
	})
	if !errors.Is(err, context.Canceled) || len(s.set.all[1].queue) != 1 {
		t.Errorf("error %v, %d events kept", err, len(s.set.all[1].queue))
	}
}

// TestFirstFailureCounts has an extension end after it has reported an error.
func TestFirstFailureCounts(t *testing.T) {
	s := ready(t, "good")
	x := s.set.all[0]
	if err := (registry{s.set}).Fail(x.id, extapi.Failure{Phase: extapi.FailedExit, ErrorType: "Extension.Own"}); err != nil {
		t.Fatal(err)
	}
	x.proc.Kill()
	<-x.proc.done
	var failed *ExtensionError
	err := s.set.AwaitIdle(s.ctx())
	if !errors.As(err, &failed) || failed.Type != extapi.FatalExitError || failed.Reason != "Extension.Own" || x.state != stateExitError {
		t.Errorf("error %v, state %s", err, x.state)
	}
}

// TestNextComesBeforeTheLastAnswerIsOver has an extension be back before the call
// that sent it its event has ended, as one that opens a connection for each call can
// be on a busy machine.
func TestNextComesBeforeTheLastAnswerIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := &extension{name: "in", id: "in", state: stateRegistered, events: []extapi.EventType{extapi.Invoke}}
		r := registry{&Set{log: zerolog.Nop(), changed: make(chan struct{}), all: []*extension{x}}}
		r.Invoke(InvokeEvent{RequestID: "first"})
		over, second := make(chan struct{}), make(chan string, 1)
		go func() {
			_ = r.Next(t.Context(), "in", func(extapi.Event) error { <-over; return nil })
		}()
		synctest.Wait()
		go func() {
			err := r.Next(t.Context(), "in", func(ev extapi.Event) error { second <- ev.RequestID; return nil })
			if err != nil {
				second <- err.Error()
			}
		}()
		synctest.Wait() // it waits, or was refused
		close(over)
		synctest.Wait()
		r.Invoke(InvokeEvent{RequestID: "second"})
		if got := <-second; got != "second" {
			t.Error(got)
		}
	})
}
