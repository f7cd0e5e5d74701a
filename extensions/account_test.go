package extensions

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/telemetry"
)

// TestEveryEventIsAccountedFor publishes to subscribers of several kinds and
// holds that nothing is lost without being counted.
func TestEveryEventIsAccountedFor(t *testing.T) {
	var stuck chan struct{}
	cases := map[string]struct {
		answer func(int) int
		events int
		line   string
		check  func(Account) bool
	}{
		"all taken":   {ok, 100, "line", func(a Account) bool { return a.Delivered == 100 && a.Again == 0 }},
		"taken late":  {func(n int) int { return 503 - 303*(n/3) }, 100, "line", func(a Account) bool { return a.Delivered >= 100 && a.Again > 0 }},
		"never taken": {func(int) int { return http.StatusTeapot }, 100, "line", func(a Account) bool { return a.Delivered == 0 }},
		"no answer":   {func(int) int { <-stuck; return 200 }, 60000, "line", func(a Account) bool { return a.Delivered == 0 && a.Dropped > 10000 && a.Left > 0 }},
		"too large":   {ok, 100, strings.Repeat("x", 1<<20), func(a Account) bool { return a.Delivered > 0 }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			stuck = make(chan struct{})
			k := newSink(t, c.answer)
			defer close(stuck)
			s := started(t, "good")
			accounts := make(chan Account, 10)
			s.set.cfg.Settled = func(a Account) { accounts <- a }
			in := s.internal("in", extapi.Invoke)
			if err := in.Subscribe(s.ctx(), k.request(telemetry.CategoryFunction)); err != nil {
				t.Fatal(err)
			}
			for range c.events {
				s.stream.Publish(telemetry.TypeFunction, c.line)
			}
			s.shutdown(2 * time.Second)
			a := <-accounts
			if !a.Balanced() || a.Published != int64(c.events) || a.Extension != "in" || !c.check(a) {
				t.Errorf("%+v", a)
			}
		})
	}
}

// TestAccountOfEarlyEvents counts what was published before the subscription, and
// what of that was not kept.
func TestAccountOfEarlyEvents(t *testing.T) {
	const events = 20000 // more than the backlog holds
	k := newSink(t, ok)
	s := started(t, "good")
	accounts := make(chan Account, 1)
	s.set.cfg.Settled = func(a Account) { accounts <- a }
	for i := range events {
		s.stream.Publish(telemetry.TypeFunction, fmt.Sprint(i))
	}
	in := s.internal("in", extapi.Invoke)
	if err := in.Subscribe(s.ctx(), k.request(telemetry.CategoryFunction)); err != nil {
		t.Fatal(err)
	}
	s.shutdown(2 * time.Second)
	if a := <-accounts; !a.Balanced() || a.Dropped == 0 || a.Told == 0 || a.Published < events {
		t.Errorf("%+v", a)
	}
}
