package sandbox

import (
	"testing"
	"time"
)

// Instances that are called in turn do not take each other's seats while there may
// be more of them; with as many as there may be, the one that was used longest ago
// is taken (TestInstancesAreParkedWhileOthersRun).
func TestASeatStaysItsInstancesForAWhile(t *testing.T) {
	var p seats
	theirs := &Instance{}
	s := &seat{sitter: theirs, used: time.Now()}
	theirs.seat = s
	p.append(s)
	if got := p.claim(&Instance{}); got != nil {
		t.Error("the seat of an instance that was called just now was taken")
	}
	if got := p.claim(theirs); got != s {
		t.Error("an instance did not find its own seat")
	}
	if p.release(s); time.Since(s.used) > time.Minute {
		t.Error("the end of a call was not noted")
	}
}
