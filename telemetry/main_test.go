package telemetry

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bounded is a context for waits that must not last.
func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// drain takes what is in the buffer.
func drain(sub *Subscription) (events []Event) {
	for ev, ok := sub.TryNext(); ok; ev, ok = sub.TryNext() {
		events = append(events, ev)
	}
	return events
}
