package async

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/lambent-host/lambent/host/invoke"
)

// BenchmarkEnqueue accepts events of 1 KiB durably with 1, 16 and 64 writers.
func BenchmarkEnqueue(b *testing.B) {
	for _, writers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			r := newRig(b, b.TempDir(), Config{}, ok)
			defer r.end()
			took := make([]time.Duration, b.N)
			payload := make([]byte, 1024)
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for w := range writers {
				wg.Go(func() {
					req := &invoke.Request{RequestID: uuid.NewString(), FunctionName: fmt.Sprint("fn", w), Payload: payload}
					for {
						i := next.Add(1) - 1
						if i >= int64(b.N) {
							return
						}
						start := time.Now()
						if err := r.Enqueue(ctx, req); err != nil {
							b.Error(err)
							return
						}
						took[i] = time.Since(start)
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			slices.Sort(took)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-us")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-us")
		})
	}
}

// BenchmarkOpen reads a queue of 100,000 events, as a start does.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	r := newRig(b, dir, Config{}, ok)
	var wg sync.WaitGroup
	for w := range 100 {
		wg.Go(func() {
			for i := range 1000 {
				if err := r.Enqueue(ctx, &invoke.Request{RequestID: fmt.Sprint(w, "-", i), FunctionName: fmt.Sprint("fn", w), Payload: make([]byte, 256)}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	r.end()
	b.ResetTimer()
	for range b.N {
		st := openStore(b, dir)
		q, err := Open(st, &invoker{answer: ok}, Config{}, zerolog.Nop())
		if err != nil {
			b.Fatal(err)
		}
		if d := q.Stats().Depth; d != 100_000 {
			b.Fatalf("depth is %d", d)
		}
		if err := st.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
