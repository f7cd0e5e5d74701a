package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/lambent-host/lambent/host/admission"
	"github.com/lambent-host/lambent/host/catalogue"
	"github.com/lambent-host/lambent/host/deployment"
	"github.com/lambent-host/lambent/host/invoke"
	"github.com/lambent-host/lambent/host/lambdaapi"
)

// Every kind of error that the rooms below return, and what becomes of it.
func TestErrorsBecomeAnswers(t *testing.T) {
	tests := []struct {
		err     error
		status  int
		code    string
		message string
	}{
		{lambdaapi.Errorf(lambdaapi.CodeMethodNotAllowed, "m"), 405, "MethodNotAllowedException", "m"},
		{&catalogue.NotFoundError{Message: "m"}, 404, "ResourceNotFoundException", "m"},
		{&catalogue.ConflictError{Message: "m"}, 409, "ResourceConflictException", "m"},
		{&catalogue.PreconditionError{Message: "m"}, 412, "PreconditionFailedException", "m"},
		{&catalogue.InvalidError{Field: "F", Message: "m"}, 400, "InvalidParameterValueException", "m"},
		{&catalogue.InvalidError{Field: "F", Message: "100% %s", Validation: true}, 400, "ValidationException", "100% %s"},
		{&catalogue.NotReadyError{State: "Pending", Message: "m"}, 409, "ResourceConflictException", "m"},
		{&catalogue.NotReadyError{State: "Failed", Message: "m"}, 409, "ResourceConflictException", "m"},
		{&deployment.Error{Code: deployment.CodeInvalid, Message: "m"}, 400, "InvalidParameterValueException", "m"},
		{&deployment.Error{Code: deployment.CodeTooLarge, Message: "m"}, 413, "RequestEntityTooLargeException", "m"},
		{&admission.ThrottledError{Reason: "r", RetryAfter: time.Second}, 429, "TooManyRequestsException", "Rate Exceeded."},
		{errors.New("open /secret: permission denied"), 500, "ServiceException", "An error occurred and the request cannot be processed."},
		{context.DeadlineExceeded, 500, "ServiceException", "An error occurred and the request cannot be processed."},
	}
	for _, tt := range tests {
		for _, err := range []error{tt.err, fmt.Errorf("invoke: %w", tt.err)} {
			got := apiError(err)
			if got.Status != tt.status || got.Code != tt.code || got.Message != tt.message {
				t.Errorf("%T becomes %d %s %q, want %d %s %q", tt.err, got.Status, got.Code, got.Message, tt.status, tt.code, tt.message)
			}
		}
	}
}

func TestUnknownRoutes(t *testing.T) {
	f := start(t)
	for _, path := range []string{"/", "/favicon.ico", "/2015-03-31", base + "/f/nothing", "/2015-03-31/event-source-mappings/", base + "/f/aliases/a/b"} {
		f.refused(404, "UnknownOperationException", "There is no operation GET "+path, "GET", path, "")
	}
	r := f.refused(405, "MethodNotAllowedException", "The method PATCH is not allowed for "+base+"/f; allowed:", "PATCH", base+"/f", "")
	if allow := r.header.Get("Allow"); !strings.Contains(allow, "GET") || !strings.Contains(allow, "DELETE") {
		t.Errorf("Allow: %q", allow)
	}
	long := f.refused(404, "UnknownOperationException", "...", "GET", "/"+strings.Repeat("x", 5000), "")
	if len(long.body) > 500 {
		t.Errorf("the answer repeats %d bytes", len(long.body))
	}
}

// Every route answers with and without a slash at the end, never "unknown".
func TestTrailingSlashes(t *testing.T) {
	f := start(t)
	for _, rt := range (&api{}).routes() {
		for _, slash := range []string{"", "/"} {
			path := strings.NewReplacer(":name", "f", ":alias", "live", ":arn", "x", ":digest", "x").Replace(rt.path) + slash
			r := f.do(rt.method, path, "{}")
			if code := r.header.Get("x-amzn-ErrorType"); code == "UnknownOperationException" || r.status == 405 || r.status >= 500 {
				t.Errorf("%s %s: %d %s", rt.method, path, r.status, r.body)
			}
		}
	}
}

func TestPanicsAreHidden(t *testing.T) {
	f := start(t)
	f.sync.panics = true
	r := f.refused(500, "ServiceException", "An error occurred", "POST", base+"/f/invocations", "{}")
	if strings.Contains(r.body, "secret") {
		t.Errorf("the answer tells %s", r.body)
	}
	if log := f.log.String(); !strings.Contains(log, "secret detail") || !strings.Contains(log, r.header.Get("x-amzn-RequestId")) || !strings.Contains(log, "fixture_test.go") {
		t.Errorf("the log does not tell the cause: %s", log)
	}
	f.sync.panics = false
	f.expect(200, "POST", base+"/f/invocations", "{}")
}

func TestHealth(t *testing.T) {
	f := start(t)
	if r := f.expect(200, "GET", "/lambent/healthz", ""); r.body != "ok" || r.header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("%q as %s", r.body, r.header.Get("Content-Type"))
	}
}

func TestWebPagesOfOthersAreRefused(t *testing.T) {
	f := start(t)
	for _, header := range []string{"Origin: https://example.com", "Sec-Fetch-Site: cross-site", "Origin: null"} {
		f.refused(403, "AccessDeniedException", "another origin", "POST", base, createBody("f", wasmA, ""), header)
	}
	if got := f.expect(200, "GET", base, "", "Sec-Fetch-Site: cross-site").body; got != `{"Functions":[]}` {
		t.Errorf("a web page made %s", got)
	}
	f.expect(201, "POST", base, createBody("f", wasmA, ""), "Origin: "+f.url)
}

func TestContentTypes(t *testing.T) {
	f := start(t)
	for _, kind := range []string{"text/xml", "multipart/form-data; boundary=x", "text/plain", "image/png", "not a type"} {
		f.refused(415, "UnsupportedMediaTypeException", fmt.Sprintf("%q is not supported", kind), "POST", base, createBody("f", wasmA, ""), "Content-Type: "+kind)
		f.refused(415, "UnsupportedMediaTypeException", "application/json", "POST", base+"/f/invocations", "{}", "Content-Type: "+kind)
	}
	f.expect(200, "POST", base+"/f/invocations", "", "Content-Type: text/plain") // no body has no type
	f.expect(201, "POST", base, createBody("f", wasmA, ""), "Content-Type: application/json; charset=utf-8")
}

// spyTracer remembers the names of spans.
type spyTracer struct {
	noop.Tracer
	names []string
}

func (s *spyTracer) Start(ctx context.Context, name string, _ ...trace.SpanStartOption) (context.Context, trace.Span) {
	s.names = append(s.names, name)
	return ctx, noop.Span{}
}

// Management operations have a span; an invocation's is made by package invoke,
// under the trace that came in.
func TestTraces(t *testing.T) {
	f := start(t)
	spy, got := &spyTracer{}, trace.SpanContext{}
	handler := New(Config{
		Catalogue: f.cat, Region: region, AccountID: account, Tracer: spy, Propagator: propagation.TraceContext{},
		Invoker: invokerFunc(func(ctx context.Context) { got = trace.SpanContextFromContext(ctx) }),
	})
	for _, to := range []string{"GET " + base, "POST " + base + "/f/invocations", "DELETE " + base + "/f"} {
		method, path, _ := strings.Cut(to, " ")
		req := httptest.NewRequest(method, path, nil)
		req.Header.Set("traceparent", "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01")
		handler.ServeHTTP(httptest.NewRecorder(), req)
	}
	if want := []string{"ListFunctions", "DeleteFunction"}; !slices.Equal(spy.names, want) {
		t.Errorf("spans %v, want %v", spy.names, want)
	}
	if !got.IsRemote() || got.TraceID().String() != "5759e988bd862e3fe1be46a994272793" || !got.IsSampled() {
		t.Errorf("the invocation's trace is %+v", got)
	}
}

type invokerFunc func(ctx context.Context)

func (i invokerFunc) Invoke(ctx context.Context, _ *invoke.Request) (*invoke.Outcome, error) {
	i(ctx)
	return &invoke.Outcome{}, nil
}

// endless is a body of any length.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// A body that is too large is refused with the operation's limit, whether its
// length was announced or not.
func TestRequestCaps(t *testing.T) {
	f := start(t)
	f.create("f")
	for _, tt := range []struct {
		method, path, operation string
		limit                   int64
	}{
		{"POST", base, "CreateFunction", 70167211},
		{"PUT", base + "/f/code", "UpdateFunctionCode", 70167211},
		{"PUT", base + "/f/configuration", "UpdateFunctionConfiguration", 1 << 20},
		{"POST", base + "/f/aliases", "CreateAlias", 1 << 20},
	} {
		for _, announced := range []int64{tt.limit + 1, -1} {
			req := httptest.NewRequest(tt.method, tt.path, io.LimitReader(endless{}, tt.limit+1))
			req.ContentLength = announced
			w := httptest.NewRecorder()
			f.handler.ServeHTTP(w, req)
			want := fmt.Sprintf(`{"message":"Request must be smaller than %d bytes for the %s operation"}`, tt.limit, tt.operation)
			if w.Code != http.StatusRequestEntityTooLarge || w.Body.String() != want || w.Header().Get("x-amzn-ErrorType") != "RequestEntityTooLargeException" {
				t.Errorf("%s: %d %s", tt.operation, w.Code, w.Body)
			}
		}
	}
}

// At most maxUploads large uploads are in memory; small ones never wait, and a
// caller that hangs up stops waiting.
func TestLargeUploadsTakeTurns(t *testing.T) {
	f := start(t)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	upload := func(ctx context.Context, size int) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		body := createBody("f", append(slices.Clone(wasmA), make([]byte, size)...), "")
		f.handler.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "POST", base, strings.NewReader(body)))
		return w
	}
	var stalled sync.WaitGroup
	var pipes []*io.PipeWriter
	for range maxUploads {
		reader, writer := io.Pipe()
		pipes = append(pipes, writer)
		stalled.Go(func() {
			f.handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", base, reader))
		})
		if _, err := writer.Write([]byte("{")); err != nil { // returns when it is read, so the place is taken
			t.Fatal(err)
		}
	}
	if w := upload(gone, largeUpload); w.Code != 500 {
		t.Errorf("one upload more than there are places: %d %s", w.Code, w.Body)
	}
	if w := upload(t.Context(), 0); w.Code != 201 {
		t.Errorf("a small upload: %d %s", w.Code, w.Body)
	}
	for _, p := range pipes {
		_ = p.Close()
	}
	stalled.Wait()
	if w := upload(t.Context(), largeUpload); w.Code != 409 {
		t.Errorf("after the others ended: %d %s", w.Code, w.Body)
	}
}

// A length that is too large is refused before anything is read.
func TestAnnouncedLength(t *testing.T) {
	f := start(t)
	req := httptest.NewRequest("POST", base, strings.NewReader("{}"))
	req.ContentLength = 70167212
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, req)
	if w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestBodyThatEndsEarly(t *testing.T) {
	f := start(t)
	for _, announced := range []int64{10, 50_000_000} {
		req := httptest.NewRequest("POST", base, strings.NewReader("{}"))
		req.ContentLength = announced
		w := httptest.NewRecorder()
		f.handler.ServeHTTP(w, req)
		if w.Code != 400 || !strings.Contains(w.Body.String(), "ended early") {
			t.Errorf("announced %d: %d %s", announced, w.Code, w.Body)
		}
	}
}
