package wasmextension

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambent-host/lambent/sandbox"
)

func TestRequestsAreSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pace
		send := func(n int) time.Duration {
			began := time.Now()
			for range n {
				if err := p.wait(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			return time.Since(began)
		}
		if took := send(paceBurst); took != 0 {
			t.Errorf("the first %d took %s", paceBurst, took)
		}
		if took := send(3 * pacePerSecond); took != 3*time.Second {
			t.Errorf("three seconds' worth took %s", took)
		}
		time.Sleep(time.Hour) // of the bubble: what was not sent does not add up
		if took := send(paceBurst + pacePerSecond); took != time.Second {
			t.Errorf("after a pause, a second more than at once took %s", took)
		}
		limited, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := p.wait(limited); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("one whose time is over before its turn: %v", err)
		}
	})
}

// An extension that does nothing but send does not send faster than that.
func TestAnExtensionIsPaced(t *testing.T) {
	var got int
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { got++ }))
	f := fetching(t, address(server))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	f.pace.even = time.Now().Add(time.Hour) // much was sent
	brief, end := context.WithTimeout(ctx, 20*time.Millisecond)
	defer end()
	_, err := f.Fetch(brief, sandbox.Request{Method: "GET", URL: server.URL}, 100)
	f.pace.even = time.Time{}
	if _, err := f.Fetch(ctx, sandbox.Request{Method: "GET", URL: server.URL}, 100); err != nil {
		t.Errorf("when its turn has come: %v", err)
	}
	server.Close() // and with it what counts
	if !errors.Is(err, context.DeadlineExceeded) || got != 1 {
		t.Errorf("%v; %d requests arrived, want the second alone", err, got)
	}
}
