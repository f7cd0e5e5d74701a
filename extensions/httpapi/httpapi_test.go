package httpapi

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/lambent-host/lambent/extensions/extapi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake answers every call with err, or with the rest of its fields.
type fake struct {
	err     error
	panics  bool
	already bool
	event   extapi.Event
	failure extapi.Failure
	sub     extapi.Subscription
}

func (f *fake) Register(extapi.Registration) (extapi.Registered, error) {
	if f.panics {
		panic("secret")
	}
	return extapi.Registered{FunctionName: "f", Identifier: "id"}, f.err
}

func (f *fake) Next(_ context.Context, _ string, send func(extapi.Event) error) error {
	if f.err != nil {
		return f.err
	}
	return send(f.event)
}

func (f *fake) Fail(_ string, failure extapi.Failure) error {
	f.failure = failure
	return f.err
}

func (f *fake) Subscribe(_ string, sub extapi.Subscription) (bool, error) {
	f.sub = sub
	return f.already, f.err
}

func serve(f *fake, method, path, body string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	req.Header.Set(extapi.HeaderName, "x")
	req.Header.Set(extapi.HeaderIdentifier, uuid.NewString())
	req.Header.Set(extapi.HeaderFunctionErrorType, "Extension.X")
	rec := httptest.NewRecorder()
	New(f, f, zerolog.Nop()).ServeHTTP(rec, req)
	return rec
}

const subscription = `{"schemaVersion":"2022-12-13","types":["platform"],"destination":{"protocol":"TCP","port":4000}}`

const logsSubscription = `{"types":["platform"],"destination":{"protocol":"TCP","port":4000}}`

func TestTheSchemaTellsTheAPI(t *testing.T) {
	for path, want := range map[string]bool{extapi.PathLogs: true, extapi.PathTelemetry: false} {
		f, body := &fake{}, subscription
		if want {
			body = logsSubscription
		}
		if serve(f, "PUT", path, body); f.sub.Schema.Logs() != want {
			t.Errorf("%s: %+v", path, f.sub)
		}
	}
}

func TestAnswers(t *testing.T) {
	tests := []struct {
		name, method, path, body string
		fake                     fake
		status                   int
		answer                   string
	}{
		{"register", "POST", extapi.PathRegister, `{}`, fake{}, 200, `{"functionName":"f","functionVersion":"","handler":""}`},
		{"next", "GET", extapi.PathNext, "", fake{event: extapi.Event{EventType: extapi.Shutdown, DeadlineMs: 1, ShutdownReason: "failure"}}, 200, `{"eventType":"SHUTDOWN","deadlineMs":1,"shutdownReason":"failure"}`},
		{"init/error", "POST", extapi.PathInitError, "not even JSON", fake{}, 202, `{"status":"OK"}`},
		{"exit/error", "POST", extapi.PathExitError, "", fake{}, 202, `{"status":"OK"}`},
		{"subscribe", "PUT", extapi.PathTelemetry, subscription, fake{}, 200, `"OK"`},
		{"subscribe again", "PUT", extapi.PathTelemetry, subscription, fake{already: true}, 200, `"AlreadySubscribed"`},
		{"subscribe to logs", "PUT", extapi.PathLogs, logsSubscription, fake{}, 200, `"OK"`},
		{"subscribe to logs again", "PUT", extapi.PathLogs, logsSubscription, fake{already: true}, 200, `"AlreadySubscribed"`},
		{"logs subscription refused", "PUT", extapi.PathLogs, subscription, fake{}, 400, `{"errorMessage":"schemaVersion \"2022-12-13\" is not supported: use 2020-08-15 or 2021-03-18","errorType":"Logs.ValidationError"}`},
		{"there is no unsubscribing", "DELETE", extapi.PathTelemetry, "", fake{}, 405, `{"errorMessage":"no such call: DELETE /2022-07-01/telemetry","errorType":"InvalidRequestFormat"}`},
		{"a path that ends in a slash", "PUT", extapi.PathTelemetry + "/", subscription, fake{}, 200, `"OK"`},
		{"logs with a slash", "PUT", extapi.PathLogs + "/", logsSubscription, fake{}, 200, `"OK"`},
		{"subscription refused", "PUT", extapi.PathTelemetry, `{}`, fake{}, 400, `{"errorMessage":"schemaVersion is missing; types should not be empty; destination.protocol is missing","errorType":"ValidationError"}`},
		{"subscription too large", "PUT", extapi.PathTelemetry, strings.Repeat(" ", extapi.MaxBodyBytes+1), fake{}, 413, `{"errorMessage":"request body is larger than 262144 bytes","errorType":"RequestEntityTooLarge"}`},
		{"error report too large", "POST", extapi.PathExitError, strings.Repeat(" ", extapi.MaxBodyBytes+1), fake{}, 413, `{"errorMessage":"request body is larger than 262144 bytes","errorType":"RequestEntityTooLarge"}`},
		{"shaped error", "GET", extapi.PathNext, "", fake{err: extapi.Forbidden("T", "m")}, 403, `{"errorMessage":"m","errorType":"T"}`},
		{"internal error", "GET", extapi.PathNext, "", fake{err: errors.New("secret")}, 500, `{"errorMessage":"internal error: the extension should exit","errorType":"InternalServerError"}`},
		{"panic", "POST", extapi.PathRegister, `{}`, fake{panics: true}, 500, `{"errorMessage":"internal error: the extension should exit","errorType":"InternalServerError"}`},
		{"no such call", "GET", "/2020-01-01/extension/other", "", fake{}, 404, `{"errorMessage":"no such call: GET /2020-01-01/extension/other","errorType":"InvalidRequestFormat"}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			rec := serve(&test.fake, test.method, test.path, test.body)
			if rec.Code != test.status || rec.Body.String() != test.answer || rec.Header().Get("Content-Type") != "application/json" {
				t.Errorf("got  %d %s %v\nwant %d %s", rec.Code, rec.Body, rec.Header(), test.status, test.answer)
			}
		})
	}
}

func TestHeaders(t *testing.T) {
	if got := serve(&fake{}, "POST", extapi.PathRegister, `{}`).Header().Get(extapi.HeaderIdentifier); got != "id" {
		t.Errorf("register: identifier %q", got)
	}
	rec := serve(&fake{}, "GET", extapi.PathNext, "")
	if uuid.Validate(rec.Header().Get(extapi.HeaderEventIdentifier)) != nil || !rec.Flushed {
		t.Errorf("next: %v, flushed %v", rec.Header(), rec.Flushed)
	}
}

func TestPhases(t *testing.T) {
	for path, want := range map[string]extapi.FailurePhase{extapi.PathInitError: extapi.FailedInit, extapi.PathExitError: extapi.FailedExit} {
		f := &fake{}
		serve(f, "POST", path, "")
		if f.failure != (extapi.Failure{Phase: want, ErrorType: "Extension.X"}) {
			t.Errorf("%s: %+v", path, f.failure)
		}
	}
}

// TestNoEmptyAnswer has the caller of next go away: the connection is cut and
// not answered with an empty 200.
func TestNoEmptyAnswer(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	req := httptest.NewRequestWithContext(ctx, "GET", extapi.PathNext, nil)
	req.Header.Set(extapi.HeaderIdentifier, uuid.NewString())
	defer func() {
		if r := recover(); r != http.ErrAbortHandler {
			t.Errorf("recovered %v", r)
		}
	}()
	New(&fake{err: context.Canceled}, &fake{}, zerolog.Nop()).ServeHTTP(httptest.NewRecorder(), req)
}
