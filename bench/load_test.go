package bench

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lambent-host/lambent/bench/ceiling"
	"github.com/lambent-host/lambent/host/lambdaapi"
)

const answer = `{"right":true}`

func serveLoad(t *testing.T, handle http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	return server.URL
}

// What must not become a figure has the right bytes where something else is wrong.
func TestLoadAcceptsNothingButTheAnswer(t *testing.T) {
	cases := []struct {
		name   string
		answer func(w http.ResponseWriter)
		fault  string
	}{
		{"the answer", func(w http.ResponseWriter) { _, _ = io.WriteString(w, answer) }, ""},
		{"another body", func(w http.ResponseWriter) { _, _ = io.WriteString(w, `{"right":false}`) }, "another answer than expected"},
		{"another status", func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusTooManyRequests)
			_, _ = io.WriteString(w, answer)
		}, "status 429"},
		{"a function's error", func(w http.ResponseWriter) {
			w.Header().Set(lambdaapi.HeaderFunctionError, "Unhandled")
			_, _ = io.WriteString(w, answer)
		}, "the function failed"},
		{"a body cut off", func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, answer)
		}, "ended early"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			url := serveLoad(t, func(w http.ResponseWriter, _ *http.Request) { c.answer(w) })
			result, err := RunLoad(t.Context(), LoadConfig{URL: url, Want: []byte(answer), Requests: 2, Concurrency: 1})
			if c.fault == "" {
				if err != nil || len(result.Latencies) != 2 {
					t.Errorf("%d latencies, error %v", len(result.Latencies), err)
				}
			} else if err == nil || !strings.Contains(err.Error(), c.fault) || !strings.Contains(err.Error(), "request 1 to "+url) {
				t.Errorf("error %v, want one that tells %q and the request", err, c.fault)
			}
		})
	}
}

func TestLoadWarmsUpAndMeasuresTheRest(t *testing.T) {
	var requests atomic.Int64
	url := serveLoad(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if body, err := io.ReadAll(r.Body); err != nil || string(body) != "{}" {
			t.Errorf("payload %q, %v", body, err)
		}
		_, _ = io.WriteString(w, answer)
	})
	result, err := RunLoad(t.Context(), LoadConfig{URL: url, Payload: []byte("{}"), Want: []byte(answer), Warmup: 3, Requests: 7, Concurrency: 1})
	if err != nil || requests.Load() != 10 || len(result.Latencies) != 7 {
		t.Errorf("%d requests of which %d measured, error %v; want 10 and 7", requests.Load(), len(result.Latencies), err)
	}
}

// The first requests wait for each other: fewer workers than asked for never
// get past them.
func TestLoadSendsAsManyAtATimeAsAskedFor(t *testing.T) {
	const workers = 5
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var mu sync.Mutex
	now, most, arrived, all := 0, 0, 0, make(chan struct{})
	count := func(step int) {
		mu.Lock()
		defer mu.Unlock()
		now += step
		most = max(most, now)
		if arrived += max(step, 0); arrived == workers && step > 0 {
			close(all)
		}
	}
	url := serveLoad(t, func(w http.ResponseWriter, _ *http.Request) {
		count(1)
		defer count(-1)
		select {
		case <-all:
			_, _ = io.WriteString(w, answer)
		case <-ctx.Done():
		}
	})
	_, err := RunLoad(ctx, LoadConfig{URL: url, Want: []byte(answer), Requests: 4 * workers, Concurrency: workers})
	if mu.Lock(); err != nil || most != workers {
		t.Errorf("at most %d requests at a time, error %v; want %d", most, err, workers)
	}
	mu.Unlock()
}

func TestLoadEndsWithItsContext(t *testing.T) {
	server, err := ceiling.Start(t.Context(), []byte("yes"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	cfg := LoadConfig{URL: server.URL(), Payload: []byte("{}"), Want: []byte("yes"), Warmup: 5, Requests: 40, Concurrency: 4}
	r, err := RunLoad(t.Context(), cfg)
	if err != nil || len(r.Latencies) != 40 || r.PerSecond() <= 0 || r.Percentile(1) <= 0 {
		t.Fatalf("%d latencies, %v per second, error %v", len(r.Latencies), r.PerSecond(), err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := RunLoad(ended, cfg); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, want that of the context", err)
	}
}
