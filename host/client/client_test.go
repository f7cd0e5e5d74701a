package client

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

	"go.uber.org/goleak"

	"github.com/lambent-host/lambent/host/lambdaapi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// script is a host that answers in a fixed order and remembers what it was asked.
type script struct {
	mu      sync.Mutex
	answers []canned
	asked   []string // "METHOD path?query body"
	headers []http.Header
}

type canned struct {
	status int
	body   string
	header http.Header
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, strings.TrimSpace(fmt.Sprintf("%s %s %s", r.Method, r.RequestURI, body)))
	s.headers = append(s.headers, r.Header.Clone())
	if len(s.answers) == 0 {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	a := s.answers[0]
	s.answers = s.answers[1:]
	for key, values := range a.header {
		w.Header()[key] = values
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body)
}

// play returns a client of a scripted host; pauses are recorded, not waited.
func play(t *testing.T, answers ...canned) (*Client, *script, *[]time.Duration) {
	t.Helper()
	s := &script{answers: answers}
	server := httptest.NewServer(s)
	c := New(server.URL + "/")
	var pauses []time.Duration
	c.pause = func(ctx context.Context, d time.Duration) error {
		pauses = append(pauses, d)
		return ctx.Err()
	}
	t.Cleanup(func() { c.CloseIdle(); server.Close() })
	return c, s, &pauses
}

func ok(body string) canned { return canned{status: 200, body: body} }

func failed(status int, code, message string) canned {
	e := lambdaapi.Errorf(code, "%s", message)
	return canned{status: status, body: string(e.Body()), header: http.Header{"X-Amzn-Errortype": {code}}}
}

func (s *script) expect(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(s.asked, want) {
		t.Errorf("asked\n%s\nwant\n%s", strings.Join(s.asked, "\n"), strings.Join(want, "\n"))
	}
}

func ptr(s string) *string { return &s }

func TestDeployCreates(t *testing.T) {
	c, s, _ := play(t, failed(404, lambdaapi.CodeNotFound, "no f"), canned{status: 201, body: `{"State":"Pending"}`}, ok(`{"State":"Pending"}`), ok(`{"State":"Active","CodeSize":4}`))
	f, created, err := c.Deploy(t.Context(), &lambdaapi.CreateFunctionRequest{
		FunctionName: ptr("f"), Role: ptr("r"), Code: &lambdaapi.FunctionCode{ZipFile: []byte("\x00asm")},
		FunctionSettings: lambdaapi.FunctionSettings{Handler: ptr("h")},
	})
	if err != nil || !created || f.CodeSize != 4 {
		t.Fatalf("%+v, %v, %v", f, created, err)
	}
	s.expect(t,
		"GET /2015-03-31/functions/f/configuration",
		`POST /2015-03-31/functions {"FunctionName":"f","Role":"r","Code":{"ZipFile":"AGFzbQ=="},"Runtime":"provided.al2023","Handler":"h"}`,
		"GET /2015-03-31/functions/f/configuration",
		"GET /2015-03-31/functions/f/configuration")
	if kind := s.headers[1].Get("Content-Type"); kind != "application/json" {
		t.Errorf("Content-Type %q", kind)
	}
}

func TestDeployUpdates(t *testing.T) {
	settled := ok(`{"State":"Active","LastUpdateStatus":"Successful"}`)
	c, s, _ := play(t, settled, settled, settled, settled, settled, ok(`{"State":"Active","LastUpdateStatus":"InProgress"}`), settled)
	memory := 256
	_, created, err := c.Deploy(t.Context(), &lambdaapi.CreateFunctionRequest{
		FunctionName: ptr("f"), Role: ptr("r"), Code: &lambdaapi.FunctionCode{ZipFile: []byte("\x00asm")},
		FunctionSettings: lambdaapi.FunctionSettings{MemorySize: &memory},
	})
	if err != nil || created {
		t.Fatalf("created %v, %v", created, err)
	}
	const get = "GET /2015-03-31/functions/f/configuration"
	s.expect(t, get, get,
		`PUT /2015-03-31/functions/f/configuration {"MemorySize":256}`, get,
		`PUT /2015-03-31/functions/f/code {"ZipFile":"AGFzbQ=="}`, get, get)
}

func TestDeployGivesUp(t *testing.T) {
	c, s, _ := play(t, failed(500, lambdaapi.CodeService, "broken"))
	_, _, err := c.Deploy(t.Context(), &lambdaapi.CreateFunctionRequest{FunctionName: ptr("f"), Code: &lambdaapi.FunctionCode{}})
	var e *lambdaapi.Error
	if !errors.As(err, &e) || e.Code != lambdaapi.CodeService || e.Status != 500 || e.Message != "broken" || len(s.asked) != 1 {
		t.Errorf("error %v after %v", err, s.asked)
	}
	if _, _, err := c.Deploy(t.Context(), &lambdaapi.CreateFunctionRequest{}); err == nil {
		t.Error("a request without a name was sent")
	}
}

func TestWaits(t *testing.T) {
	pending, active := ok(`{"State":"Pending"}`), ok(`{"State":"Active","LastUpdateStatus":"Successful"}`)
	broken := ok(`{"State":"Failed","StateReasonCode":"InvalidRuntime","StateReason":"imports x"}`)
	update := ok(`{"State":"Active","LastUpdateStatus":"Failed","LastUpdateStatusReasonCode":"C","LastUpdateStatusReason":"R"}`)

	c, _, pauses := play(t, pending, pending, pending, active)
	if f, err := c.WaitActive(t.Context(), "f"); err != nil || f.State != "Active" {
		t.Errorf("%+v, %v", f, err)
	}
	if want := []time.Duration{100 * time.Millisecond, 150 * time.Millisecond, 225 * time.Millisecond}; !slices.Equal(*pauses, want) {
		t.Errorf("pauses %v, want %v", *pauses, want)
	}

	for name, tt := range map[string]struct {
		answers []canned
		wait    func(*Client) error
		want    string
	}{
		"failed":        {[]canned{pending, broken}, func(c *Client) error { _, err := c.WaitActive(t.Context(), "f"); return err }, "the function cannot run (InvalidRuntime): imports x"},
		"never ran":     {[]canned{broken}, func(c *Client) error { _, err := c.WaitUpdated(t.Context(), "f"); return err }, "the function cannot run (InvalidRuntime): imports x"},
		"update failed": {[]canned{update}, func(c *Client) error { _, err := c.WaitUpdated(t.Context(), "f"); return err }, "the function cannot run (C): R"},
	} {
		c, _, _ := play(t, tt.answers...)
		var failed *FailedError
		if err := tt.wait(c); !errors.As(err, &failed) || err.Error() != tt.want {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
	}

	c, _, _ = play(t, pending)
	ctx, cancel := context.WithCancel(t.Context())
	c.pause = func(ctx context.Context, d time.Duration) error { cancel(); return pause(ctx, d) }
	if _, err := c.WaitActive(ctx, "f"); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "State Pending") {
		t.Errorf("a wait that was given up: %v", err)
	}
}

func TestPauseEnds(t *testing.T) {
	if err := pause(t.Context(), time.Microsecond); err != nil {
		t.Error(err)
	}
}

func TestListReadsAllPages(t *testing.T) {
	c, s, _ := play(t, ok(`{"NextMarker":"a/b","Functions":[{"FunctionName":"f"}]}`), ok(`{"Functions":[{"FunctionName":"g"}]}`))
	all, err := c.List(t.Context())
	if err != nil || len(all) != 2 || all[1].FunctionName != "g" {
		t.Errorf("%v, %v", all, err)
	}
	s.expect(t, "GET /2015-03-31/functions?Marker=", "GET /2015-03-31/functions?Marker=a%2Fb")
	c, _, _ = play(t, ok(`{"NextMarker":"x"}`), ok(`{"NextMarker":"x"}`))
	if _, err := c.List(t.Context()); err == nil || !strings.Contains(err.Error(), "same page again") {
		t.Errorf("a host that repeats a page: %v", err)
	}
}

func TestInvoke(t *testing.T) {
	c, s, _ := play(t, canned{status: 200, body: `{"errorMessage":"x"}`, header: http.Header{
		"X-Amz-Function-Error": {"Unhandled"}, "X-Amz-Executed-Version": {"3"}, "X-Amz-Log-Result": {"U1RBUlQK"},
		"X-Amzn-Requestid": {"id"}, "X-Amzn-Trace-Id": {"Root=1"},
	}})
	out, err := c.Invoke(t.Context(), InvokeInput{Name: "arn:aws:lambda:us-east-1:000000000000:function:f", Qualifier: "$LATEST", Type: "RequestResponse", Payload: []byte(`{"a":1}`), Tail: true, ClientContext: `{"a":1}`})
	if err != nil {
		t.Fatal(err)
	}
	want := InvokeOutput{Payload: []byte(`{"errorMessage":"x"}`), FunctionError: "Unhandled", ExecutedVersion: "3", Log: []byte("START\n"), RequestID: "id", TraceID: "Root=1"}
	if fmt.Sprintf("%+v", *out) != fmt.Sprintf("%+v", want) {
		t.Errorf("%+v, want %+v", *out, want)
	}
	s.expect(t, `POST /2015-03-31/functions/arn:aws:lambda:us-east-1:000000000000:function:f/invocations?Qualifier=%24LATEST {"a":1}`)
	h := s.headers[0]
	if h.Get("X-Amz-Invocation-Type") != "RequestResponse" || h.Get("X-Amz-Log-Type") != "Tail" || h.Get("X-Amz-Client-Context") != "eyJhIjoxfQ==" {
		t.Errorf("%v", h)
	}
}

func TestErrors(t *testing.T) {
	c, _, _ := play(t, failed(404, lambdaapi.CodeNotFound, "Function not found: f"), ok("<html>"), canned{status: 204})
	if err := c.Delete(t.Context(), "f:1"); !IsNotFound(err) || !strings.Contains(err.Error(), "Function not found: f") {
		t.Errorf("%v", err)
	}
	if _, err := c.GetConfiguration(t.Context(), "f"); err == nil || !strings.Contains(err.Error(), "is the endpoint right?") {
		t.Errorf("a web page instead of an answer: %v", err)
	}
	if err := c.Delete(t.Context(), "f"); err != nil {
		t.Errorf("%v", err)
	}
	for _, endpoint := range []string{"http://127.0.0.1:1", "://", "ftp://x"} {
		if _, err := New(endpoint).List(t.Context()); err == nil || IsNotFound(err) {
			t.Errorf("%s: %v", endpoint, err)
		}
	}
}
