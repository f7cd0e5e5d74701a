package async

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"github.com/lambent-host/lambent/host/invoke"
)

// BenchmarkCycle takes events of 1 KiB all the way: accepted durably by 64
// writers, run, and deleted durably.
func BenchmarkCycle(b *testing.B) {
	var ran atomic.Int64
	all := make(chan struct{})
	r := newRig(b, b.TempDir(), Config{}, func(ctx context.Context, req *invoke.Request) (*invoke.Outcome, error) {
		if ran.Add(1) == int64(b.N) {
			close(all)
		}
		return ok(ctx, req)
	})
	r.Start()
	payload := make([]byte, 1024)
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for w := range 64 {
		wg.Go(func() {
			for next.Add(1) <= int64(b.N) {
				if err := r.Enqueue(ctx, &invoke.Request{RequestID: uuid.NewString(), FunctionName: fmt.Sprint("fn", w), Payload: payload}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	<-all
	r.end() // waits for the deletions
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
