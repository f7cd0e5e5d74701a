package extensions

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/extensions/internal/actors"
	"github.com/lambent-host/lambent/telemetry"
)

// TestDeliveriesAndCallsAreObserved has a subscriber refuse once: each try is
// told, with what was in it, and each call of the API is seen before it is
// answered.
func TestDeliveriesAndCallsAreObserved(t *testing.T) {
	s := newStage(t)
	tries := make(chan Delivery, 100)
	var mu sync.Mutex
	calls := map[string]int{}
	cfg := s.config(actors.Folder(t, "good"))
	cfg.ObserveDelivery = func(d Delivery) { tries <- d }
	cfg.Tap = func(api http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			calls[r.URL.Path]++
			mu.Unlock()
			api.ServeHTTP(w, r)
		})
	}
	set, err := Start(s.ctx(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.set = set
	t.Cleanup(func() { s.shutdown(0) })
	k := newSink(t, func(attempt int) int {
		if attempt == 1 {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	})
	if err := s.internal("in", extapi.Invoke).Subscribe(s.ctx(), k.request(telemetry.CategoryFunction)); err != nil {
		t.Fatal(err)
	}
	s.stream.Publish(telemetry.TypeFunction, "a line")
	for i, want := range []bool{false, true} {
		select {
		case d := <-tries:
			if d.Extension != "in" || d.Protocol != extapi.ProtocolHTTP || len(d.Batch) != 1 || (d.Err == nil) != want || d.Took <= 0 || d.At.IsZero() {
				t.Errorf("try %d: %+v", i, d)
			}
		case <-time.After(limit):
			t.Fatalf("try %d was not told", i)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if calls[extapi.PathRegister] != 2 || calls[extapi.PathTelemetry] != 1 {
		t.Errorf("calls %v", calls)
	}
}
