package runtimeapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/lambent-host/lambent/abi/guest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder is an invocation that notes its answer.
type recorder struct {
	response, document string
	err                error
}

func (r *recorder) Respond(payload []byte) error {
	r.response = string(payload)
	return r.err
}

func (r *recorder) FailDocument(document []byte) error {
	r.document = string(document)
	return r.err
}

// client is a client of the server, over a pipe as in the guest.
func client(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go serve(far)
		return near, nil
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// waiting makes inv the invocation that waits for an answer, under the id "i".
func waiting(t *testing.T, inv invocation) {
	t.Helper()
	mu.Lock()
	defer mu.Unlock()
	current, currentID = inv, "i"
	t.Cleanup(func() { current, currentID = nil, "" })
}

func do(t *testing.T, c *http.Client, method, path string, body io.Reader, trailer http.Header) (int, string, http.Header) {
	t.Helper()
	request, err := http.NewRequest(method, "http://runtime"+path, body)
	if err != nil {
		t.Fatal(err)
	}
	request.Trailer = trailer
	response, err := c.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(content), response.Header
}

// stream is a body of unknown length, which net/http sends in chunks.
func stream(s string) io.Reader { return io.MultiReader(strings.NewReader(s)) }

func TestAnswers(t *testing.T) {
	document := `{"errorType":"T","errorMessage":"m"}`
	broke := http.Header{trailerErrorType: {"T"}, trailerErrorBody: {base64.StdEncoding.EncodeToString([]byte(document))}}
	const invocations = "/2018-06-01/runtime/invocation/"
	for name, c := range map[string]struct {
		path, body         string
		trailer            http.Header
		err                error
		status             int
		response, document string
		reply              string
	}{
		"response":         {path: "i/response", body: `"hello"`, status: 202, response: `"hello"`, reply: `"OK"`},
		"empty trailers":   {path: "i/response", body: `1`, trailer: http.Header{trailerErrorType: nil, trailerErrorBody: nil}, status: 202, response: `1`},
		"large":            {path: "i/response", body: strings.Repeat("r", 1<<20), status: 202, response: strings.Repeat("r", 1<<20)},
		"error":            {path: "i/error", body: document, status: 202, document: document},
		"broken off":       {path: "i/response", body: "half", trailer: broke, status: 202, document: document},
		"broken document":  {path: "i/response", body: "half", trailer: http.Header{trailerErrorType: {"T"}, trailerErrorBody: {"%"}}, status: 202, document: `{"errorMessage":"the response broke off","errorType":"T"}`},
		"too large":        {path: "i/response", body: "r", err: guest.ErrTooLarge, status: 413, response: "r", reply: "RequestEntityTooLarge"},
		"answered":         {path: "i/response", body: "r", err: guest.ErrAnswered, status: 400, response: "r", reply: "InvalidRequestID"},
		"bad document":     {path: "i/error", body: "[]", err: errors.New("not an object"), status: 400, document: "[]", reply: "not an object"},
		"wrong id":         {path: "other/response", body: "r", status: 400, reply: "InvalidRequestID"},
		"unknown endpoint": {path: "i/shout", body: "r", status: 404, reply: "InvalidPath"},
		"no id":            {path: "/response", body: "r", status: 404, reply: "InvalidPath"},
	} {
		t.Run(name, func(t *testing.T) {
			inv := &recorder{err: c.err}
			waiting(t, inv)
			status, reply, header := do(t, client(t), http.MethodPost, invocations+c.path, stream(c.body), c.trailer)
			if status != c.status || !strings.Contains(reply, c.reply) || header.Get("Content-Type") != "application/json" {
				t.Errorf("reply %d %q %v, want %d with %q", status, reply, header, c.status, c.reply)
			}
			if inv.response != c.response || inv.document != c.document {
				t.Errorf("the host got response %.80q and document %q, want %.80q and %q", inv.response, inv.document, c.response, c.document)
			}
			if !json.Valid([]byte(reply)) {
				t.Errorf("the reply is no JSON: %s", reply)
			}
		})
	}
}

func TestNothingWaits(t *testing.T) {
	c := client(t)
	if status, _, _ := do(t, c, http.MethodPost, runtimePrefix+"invocation/i/response", stream("r"), nil); status != 400 {
		t.Errorf("an answer without invocation: status %d", status)
	}
	// Outside of WebAssembly there is no host, and next has to say so.
	if status, reply, _ := do(t, c, http.MethodGet, runtimePrefix+"invocation/next", nil, nil); status != 500 || !strings.Contains(reply, "no host") {
		t.Errorf("next without host: %d %s", status, reply)
	}
	if status, _, _ := do(t, c, http.MethodDelete, "/", nil, nil); status != 404 {
		t.Errorf("an unknown path: status %d", status)
	}
}

// TestExtension plays aws-lambda-go's SIGTERM extension: it registers and then
// waits for an event which never comes.
func TestExtension(t *testing.T) {
	parked, release := make(chan struct{}), make(chan struct{})
	before := park
	park = func() { close(parked); <-release }
	defer func() { park = before }()
	c := client(t)
	status, _, header := do(t, c, http.MethodPost, extensionPrefix+"register", strings.NewReader(`{"events":[]}`), nil)
	if status != 200 || header.Get("Lambda-Extension-Identifier") == "" {
		t.Errorf("register: %d %v", status, header)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if response, err := c.Get("http://runtime" + extensionPrefix + "event/next"); err == nil {
			_ = response.Body.Close()
		}
	}()
	<-parked
	select {
	case <-done:
		t.Error("event/next came back")
	default:
	}
	close(release)
	<-done
}

// FuzzServe sends bytes that may not be HTTP: the server answers or hangs up.
func FuzzServe(f *testing.F) {
	f.Add([]byte("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: r\r\n\r\n"))
	f.Add([]byte("POST /2018-06-01/runtime/invocation/i/response HTTP/1.1\r\nHost: r\r\nTransfer-Encoding: chunked\r\nTrailer: Lambda-Runtime-Function-Error-Type\r\n\r\n1\r\nx\r\n0\r\nLambda-Runtime-Function-Error-Type: T\r\n\r\n"))
	f.Add([]byte("POST /2018-06-01/runtime/invocation//error HTTP/1.1\r\nHost: r\r\nContent-Length: 5\r\n\r\nabc"))
	park = func() {}
	f.Fuzz(func(t *testing.T, request []byte) {
		current, currentID = &recorder{}, "i"
		near, far := net.Pipe()
		done := make(chan struct{})
		go func() { defer close(done); serve(far) }()
		read := make(chan struct{})
		go func() { defer close(read); _, _ = io.Copy(io.Discard, near) }()
		_, _ = near.Write(request)
		_ = near.Close()
		<-done
		<-read
	})
}
