package sandbox

import (
	"testing"
	"time"
)

// A restored guest's monotonic clock goes on by as much as the time of day has
// advanced, and never goes back, whatever was done to the time of day.
func TestARestoredClockGoesOn(t *testing.T) {
	taken := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := &Snapshot{clock: 5 * time.Second, taken: taken}
	for name, c := range map[string]struct{ at, want time.Duration }{
		"at once":                {0, 5 * time.Second},
		"a year later":           {365 * 24 * time.Hour, 365*24*time.Hour + 5*time.Second},
		"the clock was set back": {-48 * time.Hour, 5 * time.Second},
	} {
		got := s.resumed(taken.Add(c.at))
		if got.base != c.want {
			t.Errorf("%s: %v, want %v", name, got.base, c.want)
		}
		if a, b := got.now(), got.now(); b < a {
			t.Errorf("%s: %v, and then %v", name, a, b)
		}
	}
	latest := &Snapshot{clock: maxClock, taken: time.Unix(0, 0)}
	if got := latest.resumed(time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)); got.base < maxClock {
		t.Errorf("the latest clock there can be goes on at %v", got.base)
	}
}
