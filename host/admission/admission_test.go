package admission

import (
	"errors"
	"sync"
	"testing"
)

func TestAdmitRefusesBeyondTheLimit(t *testing.T) {
	a := New(2)
	first, err := a.Admit()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Admit(); err != nil {
		t.Fatal(err)
	}
	_, err = a.Admit()
	var throttled *ThrottledError
	if !errors.As(err, &throttled) || throttled.Reason != ReasonAccount || !throttled.Throttled() {
		t.Fatalf("third Admit: %v, want a ThrottledError of reason %s", err, ReasonAccount)
	}
	first()
	first() // a second release must not free a place that is not its own
	if got := a.Running(); got != 1 {
		t.Fatalf("Running() = %d after one of two was released twice, want 1", got)
	}
	if _, err := a.Admit(); err != nil {
		t.Fatalf("Admit after a release: %v", err)
	}
}

func TestAdmitNeverExceedsTheLimitConcurrently(t *testing.T) {
	const limit, callers = 3, 50
	a := New(limit)
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			release, err := a.Admit()
			if err != nil {
				return
			}
			if got := a.Running(); got > limit {
				t.Errorf("%d running with a limit of %d", got, limit)
			}
			release()
		})
	}
	wg.Wait()
	if got := a.Running(); got != 0 {
		t.Fatalf("Running() = %d after all were released", got)
	}
}

func TestNewPanicsOnANonsenseLimit(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Fatal("New(0) did not panic")
		}
	}()
	New(0)
}
