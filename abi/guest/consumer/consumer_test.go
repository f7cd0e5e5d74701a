package consumer

import (
	"errors"
	"testing"
)

func TestBatchesAndTheEndAreToldApart(t *testing.T) {
	var got []Event
	var reason string
	failed := errors.New("no collector")
	for _, c := range []struct {
		event string
		fails error
		bad   bool
	}{
		{`[{"time":"2026-01-02T03:04:05.678Z","type":"function","record":"a line","environmentId":"e","functionArn":"arn","functionVersion":"1"}]`, nil, false},
		{` []`, failed, true},
		{`[{"time":1}]`, nil, true},
		{`{"eventType":"SHUTDOWN","deadlineMs":1,"shutdownReason":"spindown"}`, nil, false},
		{`{"eventType":"LATER"}`, nil, false},
		{`nonsense`, nil, true},
	} {
		err := serve([]byte(c.event), func(events []Event) error { got = append(got, events...); return c.fails }, func(r string) { reason = r })
		if (err != nil) != c.bad || c.fails != nil && !errors.Is(err, c.fails) {
			t.Errorf("%s: %v", c.event, err)
		}
	}
	if len(got) != 1 || got[0].Type != "function" || string(got[0].Record) != `"a line"` || got[0].EnvironmentID != "e" || got[0].Time.Year() != 2026 {
		t.Errorf("events %+v", got)
	}
	if reason != "spindown" {
		t.Errorf("the end has reason %q", reason)
	}
	if err := serve([]byte(`{"eventType":"SHUTDOWN"}`), nil, nil); err != nil {
		t.Errorf("an end that nobody waits for: %v", err)
	}
}
