package host_test

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/lambent-host/lambent/host"
	"github.com/lambent-host/lambent/sandbox/hostiletest"
)

// Modules made to break a host are created over HTTP and invoked. Each ends in an
// error that says why, while a neighbour is served, and the host's memory comes back.
func TestHostileModules(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("memory of children is limited on Linux only")
	}
	f := start(t, func(c *host.Config) {
		c.Publishing.CPUTime = hostiletest.CPUTimeSeconds * time.Second
		c.Publishing.Nice = 1 // or the neighbour, who is never idle, leaves it little
		c.Publishing.MemoryBytes = hostiletest.MemoryMB << 20
	})
	f.deploy(t, "neighbour", "echo", settings{})
	f.invoke(t, "neighbour", `{}`)
	before := resident(t)
	stop := f.keepInvoking(t, "neighbour")
	for _, m := range hostiletest.Refused() {
		t.Run(m.Name, func(t *testing.T) {
			if got := f.reasonAgainst(t, m); !strings.Contains(got, m.Refused) {
				t.Errorf("%q, want %q", got, m.Refused)
			}
		})
	}
	for _, m := range hostiletest.Faulty() {
		t.Run(m.Name, func(t *testing.T) {
			if got := f.reasonAgainst(t, m); got != "" {
				t.Fatalf("not published: %s", got)
			}
			times := 2 // the second time in a new environment
			if strings.Contains(m.Fault, "timed out") {
				times = 1
			}
			for range times {
				out := f.invoke(t, m.Name, `{}`)
				if failed := out.FunctionError != nil; failed != (m.Fault != "") || !strings.Contains(string(out.Payload), m.Fault) {
					t.Errorf("%s %s, want %q", aws.ToString(out.FunctionError), out.Payload, m.Fault)
				}
			}
		})
	}
	if served := stop(); served < 10 {
		t.Errorf("the neighbour was served %d times", served)
	}
	debug.FreeOSMemory()
	if now := resident(t); now > before+300<<20 {
		t.Errorf("the host has %d MB resident, %d MB before", now>>20, before>>20)
	}
}

// reasonAgainst creates a function with the module and returns why it was refused, at
// once or when it was published; "" when it was not.
func (f *fixture) reasonAgainst(t *testing.T, m hostiletest.Module) string {
	t.Helper()
	answer, body := f.send(t, http.MethodPost, "/2015-03-31/functions", createBody(m.Name, m.Wasm), map[string]string{"Content-Type": "application/json"})
	if answer.StatusCode == http.StatusBadRequest {
		var refused struct{ Message string }
		if err := json.Unmarshal([]byte(body), &refused); err != nil {
			t.Fatal(err)
		}
		return refused.Message
	}
	if answer.StatusCode != http.StatusCreated {
		t.Fatalf("%s: %.300s", answer.Status, body)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		got, err := f.sdk.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &m.Name})
		if err != nil {
			t.Fatal(err)
		}
		switch got.State {
		case "Active":
			return ""
		case "Failed":
			if got.StateReasonCode != "InvalidConfiguration" {
				t.Errorf("StateReasonCode %s: the host is blamed", got.StateReasonCode)
			}
			return aws.ToString(got.StateReason)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatal("the function is still Pending")
		}
	}
}

// keepInvoking invokes a function, which must answer each time within seconds, until
// the function returned is called; that returns how often.
func (f *fixture) keepInvoking(t *testing.T, name string) (stop func() int) {
	ended, served := make(chan struct{}), 0
	var running sync.WaitGroup
	running.Go(func() {
		for {
			select {
			case <-ended:
				return
			default:
			}
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			out, err := f.sdk.Invoke(ctx, &lambda.InvokeInput{FunctionName: &name, Payload: []byte(`{}`)})
			cancel()
			if err != nil || out.FunctionError != nil {
				t.Errorf("the neighbour: %v, %+v", err, out)
				return
			}
			served++
		}
	})
	once := sync.OnceFunc(func() { close(ended); running.Wait() })
	t.Cleanup(once)
	return func() int { once(); return served }
}

// resident is how much memory the process has, in bytes.
func resident(t *testing.T) int64 {
	t.Helper()
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(statm))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
