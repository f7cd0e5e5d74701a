package environment

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

// gone is a context that waits for nothing.
func gone() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// takes has a function take its turn if it need not wait.
func (t *turns) takes(function string) (done func()) {
	// select chooses at random between a turn that is free and a context that has
	// ended: try until it has had the chance.
	for range 64 {
		if done, err := t.take(gone(), function); err == nil {
			return done
		}
	}
	return nil
}

func TestOneCaptureOfAFunctionAtATimeAndABoundForAll(t *testing.T) {
	var turns turns
	first := turns.takes("f")
	if first == nil {
		t.Fatal("the first has no turn")
	}
	if turns.takes("f") != nil {
		t.Error("two captures of one function at a time")
	}
	var others []func()
	for n := range maxCaptures - 1 {
		done := turns.takes(fmt.Sprint(n))
		if done == nil {
			t.Fatalf("function %d has no turn: one holds up others", n)
		}
		others = append(others, done)
	}
	if turns.takes("one too many") != nil {
		t.Errorf("more than %d captures at a time", maxCaptures)
	}
	first()
	if done := turns.takes("f"); done == nil {
		t.Error("a turn that was given back cannot be taken")
	} else {
		done()
	}
	for _, done := range others {
		done()
	}
	if len(turns.waiting) != 0 || len(turns.all) != 0 {
		t.Errorf("%d functions and %d places are remembered", len(turns.waiting), len(turns.all))
	}
}

func TestATurnIsWaitedForAsLongAsTheContextLetsIt(t *testing.T) {
	var turns turns
	first, err := turns.take(t.Context(), "f")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	second := make(chan error)
	go func() { _, err := turns.take(ctx, "f"); second <- err }()
	cancel()
	if err := <-second; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	third := make(chan func())
	go func() { done, _ := turns.take(t.Context(), "f"); third <- done }()
	first()
	(<-third)()
}
