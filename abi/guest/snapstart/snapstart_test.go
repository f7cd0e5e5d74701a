package snapstart

import (
	"errors"
	"slices"
	"testing"
)

// forget takes what a test registered away again.
func forget(t *testing.T) {
	t.Helper()
	t.Cleanup(func() { before, after = nil, nil })
}

func TestHooksRunInTheOrderOfAWS(t *testing.T) {
	forget(t)
	var ran []string
	hook := func(name string) func() error {
		return func() error { ran = append(ran, name); return nil }
	}
	for _, n := range []string{"1", "2", "3"} {
		BeforeSnapshot(hook("before " + n))
		AfterRestore(hook("after " + n))
	}
	for range 2 { // a copy can be captured again
		ran = nil
		if err := errors.Join(runBefore(), runAfter()); err != nil {
			t.Fatal(err)
		}
		if want := []string{"before 3", "before 2", "before 1", "after 1", "after 2", "after 3"}; !slices.Equal(ran, want) {
			t.Errorf("ran %q, want %q", ran, want)
		}
	}
}

func TestTheFirstErrorEndsIt(t *testing.T) {
	forget(t)
	broken := errors.New("broken")
	ran := 0
	count := func() error { ran++; return nil }
	fail := func() error { ran++; return broken }
	for _, hook := range []func() error{count, fail, count} {
		BeforeSnapshot(hook)
		AfterRestore(hook)
	}
	for name, run := range map[string]func() error{"before": runBefore, "after": runAfter} {
		ran = 0
		if err := run(); !errors.Is(err, broken) || ran != 2 {
			t.Errorf("%s: %v after %d hooks, want the second one's error", name, err, ran)
		}
	}
}

func TestAHookMayRegisterAnother(t *testing.T) {
	forget(t)
	ran := 0
	AfterRestore(func() error {
		AfterRestore(func() error { ran++; return nil })
		return nil
	})
	if err := runAfter(); err != nil || ran != 0 {
		t.Errorf("%v, the new hook ran %d times at once", err, ran)
	}
	if err := runAfter(); err != nil || ran != 1 {
		t.Errorf("%v, the new hook ran %d times", err, ran)
	}
}

type hookError struct{}

func (*hookError) Error() string { return "" }

func TestTypeNames(t *testing.T) {
	for want, err := range map[string]error{"hookError": &hookError{}, "errorString": errors.New("x")} {
		if got := typeName(err); got != want {
			t.Errorf("%T is called %q", err, got)
		}
	}
}
