package httpapi

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/contrib/propagators/aws/xray"
	"go.opentelemetry.io/otel/propagation"
	"go.uber.org/goleak"

	"github.com/lambent-host/lambent/host/catalogue"
	"github.com/lambent-host/lambent/host/invoke"
	"github.com/lambent-host/lambent/host/layer"
	"github.com/lambent-host/lambent/host/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	region  = "us-east-1"
	account = "000000000000"
	arnOfF  = "arn:aws:lambda:us-east-1:000000000000:function:f"
	base    = "/2015-03-31/functions"
)

// wasmA and wasmB stand for modules; nothing compiles them here.
var wasmA, wasmB = []byte("\x00asm\x01\x00\x00\x00"), []byte("\x00asm\x01\x00\x00\x00\x00\x02\x01x")

// recorder is an Invoker and an Enqueuer that remembers what it was asked.
type recorder struct {
	mu      sync.Mutex
	got     []*invoke.Request
	outcome *invoke.Outcome
	err     error
	panics  bool
}

func (r *recorder) Invoke(_ context.Context, req *invoke.Request) (*invoke.Outcome, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.panics {
		panic("secret detail")
	}
	r.got = append(r.got, req)
	return r.outcome, r.err
}

func (r *recorder) Enqueue(_ context.Context, req *invoke.Request) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, req)
	return r.err
}

func (r *recorder) last(t *testing.T) *invoke.Request {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.got) == 0 {
		t.Fatal("nothing arrived")
	}
	return r.got[len(r.got)-1]
}

func (r *recorder) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.got)
}

// fixture is the API over a real catalogue, with doubles where functions run.
type fixture struct {
	t       *testing.T
	url     string
	handler http.Handler
	cat     *catalogue.Catalogue
	sync    *recorder
	async   *recorder
	log     *bytes.Buffer
}

func start(t *testing.T) *fixture {
	t.Helper()
	dir := t.TempDir()
	st, err := store.Open(filepath.Join(dir, "db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	cat, err := catalogue.Open(st, filepath.Join(dir, "code"), catalogue.Config{Region: region, AccountID: account})
	if err != nil {
		t.Fatal(err)
	}
	layers, err := layer.Open(st, layer.Config{Dir: filepath.Join(dir, "layers"), Region: region, AccountID: account})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, cat: cat, sync: &recorder{outcome: &invoke.Outcome{Payload: []byte(`{"ok":true}`), ExecutedVersion: "$LATEST"}}, async: &recorder{}, log: &bytes.Buffer{}}
	f.handler = New(Config{
		Catalogue: cat, Layers: layers, Invoker: f.sync, Async: f.async, Region: region, AccountID: account,
		ConcurrencyLimit: 77, Log: zerolog.New(f.log),
		Propagator: propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, xray.Propagator{}),
	})
	server := httptest.NewServer(f.handler)
	t.Cleanup(func() { server.Close(); http.DefaultClient.CloseIdleConnections() })
	f.url = server.URL
	return f
}

// reply is an answer, read.
type reply struct {
	status int
	header http.Header
	body   string
}

// do sends a request; headers are "Key: value".
func (f *fixture) do(method, path, body string, headers ...string) reply {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), method, f.url+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	for _, h := range headers {
		key, value, _ := strings.Cut(h, ": ")
		req.Header.Set(key, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	if res.Header.Get("x-amzn-RequestId") == "" {
		f.t.Errorf("%s %s: no x-amzn-RequestId", method, path)
	}
	return reply{res.StatusCode, res.Header, string(text)}
}

// expect does and holds the status.
func (f *fixture) expect(status int, method, path, body string, headers ...string) reply {
	f.t.Helper()
	r := f.do(method, path, body, headers...)
	if r.status != status {
		f.t.Fatalf("%s %s: status %d %s, want %d", method, path, r.status, r.body, status)
	}
	return r
}

// refused does and holds an error.
func (f *fixture) refused(status int, code, contains, method, path, body string, headers ...string) reply {
	f.t.Helper()
	r := f.do(method, path, body, headers...)
	if got := r.header.Get("x-amzn-ErrorType"); r.status != status || got != code || !strings.Contains(r.message(), contains) {
		f.t.Errorf("%s %s: %d %s %s, want %d %s with %q", method, path, r.status, got, r.body, status, code, contains)
	}
	if got := r.header.Get("Content-Type"); got != "application/json" {
		f.t.Errorf("%s %s: content type of the error is %q", method, path, got)
	}
	return r
}

func (r reply) message() string {
	var doc struct{ Message string }
	_ = json.Unmarshal([]byte(r.body), &doc)
	return doc.Message
}

// object is the answer as a JSON object.
func (r reply) object(t *testing.T) map[string]any {
	t.Helper()
	var o map[string]any
	if err := json.Unmarshal([]byte(r.body), &o); err != nil {
		t.Fatalf("%s: %v", r.body, err)
	}
	return o
}

// createBody is a CreateFunction request with further members.
func createBody(name string, wasm []byte, more string) string {
	if more != "" {
		more = "," + more
	}
	return `{"FunctionName":"` + name + `","Runtime":"provided.al2023","Role":"arn:aws:iam::000000000000:role/r","Handler":"main.wasm",` +
		`"Code":{"ZipFile":"` + base64.StdEncoding.EncodeToString(wasm) + `"}` + more + `}`
}

func updateBody(wasm []byte) string {
	return `{"ZipFile":"` + base64.StdEncoding.EncodeToString(wasm) + `"}`
}

// create makes an active function.
func (f *fixture) create(name string) {
	f.t.Helper()
	f.expect(201, "POST", base, createBody(name, wasmA, ""))
	f.settle()
}

// settle stands for the publisher.
func (f *fixture) settle() {
	f.t.Helper()
	for _, v := range f.cat.Unsettled() {
		if err := f.cat.Settle(f.t.Context(), v, nil); err != nil {
			f.t.Fatal(err)
		}
	}
}
