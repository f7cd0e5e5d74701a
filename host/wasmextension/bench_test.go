package wasmextension

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/lambent-host/lambent/abi/gobuild"
	"github.com/lambent-host/lambent/abi/gobuild/gobuildtest"
	"github.com/lambent-host/lambent/abi/guest/consumer"
	"github.com/lambent-host/lambent/telemetry"
)

// BenchmarkConsumers measures what an event costs that is brought to a consumer, in
// batches of several sizes: to one in WebAssembly, and to a process that listens on
// HTTP. "raw" does not look into the batch, "decoded" decodes it with the same code in
// both. cpu-ns/event is that of the host and, where there is one, of the process.
func BenchmarkConsumers(b *testing.B) {
	for _, events := range []int{1, 10, 1000} {
		body := benchBatch(b, events)
		for _, mode := range []string{"raw", "decoded"} {
			b.Run(fmt.Sprintf("%d/%s/wasm", events, mode), func(b *testing.B) {
				r := benchRunner(b, mode == "raw")
				measure(b, events, func() time.Duration { return 0 }, func() error { return r.send(b.Context(), body) })
			})
			b.Run(fmt.Sprintf("%d/%s/http", events, mode), func(b *testing.B) {
				p := startProcess(b, mode)
				measure(b, events, func() time.Duration { return p.cpu(b) }, func() error { return p.post(body) })
			})
		}
	}
}

func benchBatch(b *testing.B, events int) []byte {
	b.Helper()
	type event struct {
		Time   string `json:"time"`
		Type   string `json:"type"`
		Record any    `json:"record"`

		EnvironmentID   string `json:"environmentId"`
		FunctionARN     string `json:"functionArn"`
		FunctionVersion string `json:"functionVersion"`
	}
	all := make([]event, events)
	for i := range all {
		all[i] = event{
			"2026-01-02T02:04:05.678Z", string(telemetry.TypeReport), report(12.5),
			"6d0c1a3e-7f1f-4f0e-9d3f-0f8f6c1b2a3d", "arn:aws:lambda:us-east-1:000000000000:function:orders", "$LATEST",
		}
	}
	body, err := json.Marshal(all)
	if err != nil {
		b.Fatal(err)
	}
	return body
}

// measure sends batches, and reports time, and the CPU that this process and another
// have used.
func measure(b *testing.B, events int, other func() time.Duration, send func() error) {
	b.Helper()
	if err := send(); err != nil { // an instance or a connection is made
		b.Fatal(err)
	}
	began, cpu, theirs, n := time.Now(), ownCPU(), other(), 0
	for b.Loop() {
		if err := send(); err != nil {
			b.Fatal(err)
		}
		n += events
	}
	b.ReportMetric(float64(time.Since(began))/float64(n), "ns/event")
	b.ReportMetric(float64(ownCPU()-cpu+other()-theirs)/float64(n), "cpu-ns/event")
}

func ownCPU() time.Duration {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// benchRunner is an extension with one whole CPU, which is what a process has.
func benchRunner(b *testing.B, raw bool) *runner {
	b.Helper()
	path := filepath.Join(b.TempDir(), "actor.wasm")
	if err := os.WriteFile(path, gobuildtest.Package(b, "host/wasmextension/testdata/actor", gobuild.SeamAuto), 0o600); err != nil {
		b.Fatal(err)
	}
	x := &extension{name: "actor", path: path, log: zerolog.Nop(), manifest: Manifest{MemorySize: memoryPerCPU, Timeout: maxTimeout}}
	if raw {
		x.manifest.Environment = map[string]string{"RAW": "1"}
	}
	bus := telemetry.NewBus()
	b.Cleanup(bus.Close)
	x.stream = bus.Open(telemetry.Source{})
	x.stream.Seal()
	r := newRunner(x, Config{Engine: engine(b)})
	r.compile(b.Context())
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), shutdownBudget)
		defer cancel()
		if err := r.end(ctx); err != nil {
			b.Error(err)
		}
		x.stream.Close()
	})
	return r
}

// process is a telemetry listener of its own process, which is this test's program.
type process struct {
	url    string
	client http.Client
}

const listenerMode = "LAMBENT_BENCH_LISTENER"

func startProcess(b *testing.B, mode string) *process {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), listenerMode+"="+mode)
	stdin, err := cmd.StdinPipe() // it ends when this is closed
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	p := &process{client: http.Client{Transport: &http.Transport{}}}
	b.Cleanup(func() {
		p.client.CloseIdleConnections()
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	if _, err := fmt.Fscanln(stdout, &p.url); err != nil {
		b.Fatal(err)
	}
	return p
}

func (p *process) post(body []byte) error {
	res, err := p.client.Post(p.url, "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, res.Body)
	if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusOK {
		return fmt.Errorf("answered %s: %w", res.Status, err)
	}
	return nil
}

// cpu is what the process has used until now.
func (p *process) cpu(b *testing.B) time.Duration {
	b.Helper()
	res, err := p.client.Get(p.url)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.Fatal(err)
	}
	used, err := strconv.ParseInt(strings.TrimSpace(string(body)), 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return time.Duration(used)
}

// listen is the other process: a GET is answered with its CPU time.
func listen(mode string) error {
	listener, err := listenAgain("127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = fmt.Fprintln(w, int64(ownCPU()))
			return
		}
		body, err := io.ReadAll(r.Body)
		if err == nil && mode == "decoded" {
			err = json.Unmarshal(body, new([]consumer.Event))
		}
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})}
	go func() { _ = server.Serve(listener) }()
	fmt.Printf("http://%s\n", listener.Addr())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}
