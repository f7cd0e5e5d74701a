package bench

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// LoadConfig is a closed loop of workers against a server: the host, or the
// ceiling.
type LoadConfig struct {
	// URL takes the requests, Payload is the body of each.
	URL     string
	Payload []byte
	// Want is the answer that each request must get, byte for byte.
	Want []byte
	// Warmup requests are sent first and not measured, at the same concurrency:
	// they open the connections and, on the host, start an environment for each
	// worker.
	Warmup int
	// Requests are measured. Concurrency workers send them.
	Requests, Concurrency int
	// Reported requests follow, one at a time, which ask the host for the
	// function's own time; their latency is not measured.
	Reported int
}

// RunLoad sends the requests and returns their latencies. The first request
// that fails, or gets another answer than Want, ends it with an error.
func RunLoad(ctx context.Context, cfg LoadConfig) (Result, error) {
	client := newHTTPClient(cfg.Concurrency)
	defer client.CloseIdleConnections()
	l := &loop{
		sender:  &sender{http: client, url: cfg.URL, payload: cfg.Payload},
		want:    cfg.Want,
		workers: cfg.Concurrency,
	}
	if _, err := l.run(ctx, cfg.Warmup); err != nil {
		return Result{}, fmt.Errorf("warm-up: %w", err)
	}
	result, err := l.run(ctx, cfg.Requests)
	if err != nil {
		return Result{}, err
	}
	result.Function, err = askFunction(ctx, *l.sender, cfg.Reported)
	return result, err
}

// loop is workers that each send the next request when they have the answer to
// the last.
type loop struct {
	*sender
	want    []byte
	workers int
}

func (l *loop) run(ctx context.Context, requests int) (Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	latencies := make([]time.Duration, requests)
	var next atomic.Int64
	var workers sync.WaitGroup
	began := time.Now()
	for range l.workers {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(requests); i = next.Add(1) - 1 {
				var err error
				if latencies[i], err = l.one(ctx); err != nil {
					cancel(fmt.Errorf("request %d to %s: %w", i+1, l.url, err))
					return
				}
			}
		})
	}
	workers.Wait()
	elapsed := time.Since(began)
	if ctx.Err() != nil {
		return Result{}, context.Cause(ctx)
	}
	return newResult(latencies, elapsed), nil
}

// one is a request whose answer is looked at.
func (l *loop) one(ctx context.Context) (time.Duration, error) {
	body, _, took, err := l.send(ctx)
	if err == nil && !bytes.Equal(body, l.want) {
		err = fmt.Errorf("another answer than expected: %.200s", body)
	}
	return took, err
}
