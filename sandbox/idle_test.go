package sandbox_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/lambent-host/lambent/abi/gobuild/gobuildtest"
	"github.com/lambent-host/lambent/sandbox"
)

func park(t testing.TB, i *sandbox.Instance) {
	t.Helper()
	if err := i.Park(); err != nil {
		t.Fatal(err)
	}
}

func TestAParkedInstanceGoesOnWhereItWas(t *testing.T) {
	m := compile(t, counting().handler(count), defaultMemory)
	s := capture(t, m, "", "")
	plain := start(t, counting().handler(count), sandbox.InstanceConfig{})
	restored := restore(t, m, s)
	for round := range 5 {
		park(t, plain)
		park(t, restored)
		park(t, restored) // again
		for i, n := range map[*sandbox.Instance]int{plain: round + 1, restored: round + 3} {
			if got, want := answer(t, i, ""), strings.Repeat(string(rune('0'+n)), 2); got != want {
				t.Errorf("round %d: %s, want %s", round, got, want)
			}
		}
	}
	park(t, restored)
	if err := restored.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := answer(t, restored, ""); got != "33" {
		t.Errorf("reset while parked: %s", got)
	}
}

func TestAParkedInstanceKeepsWhatItHasGrown(t *testing.T) {
	m := compile(t, newGuest().handler(grow), defaultMemory)
	i := restore(t, m, capture(t, m))
	answer(t, i, "...")
	for range 2 {
		park(t, i)
		if got := answer(t, i, ""); got != "47" {
			t.Errorf("after parking: %q, want four pages, and the mark", got)
		}
	}
	park(t, i)
	if err := i.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := answer(t, i, "..."); got != "10" {
		t.Errorf("after a reset: %q", got)
	}
}

// A Go handler has pointers all over its memory.
func TestAParkedGoHandlerGoesOn(t *testing.T) {
	m := compile(t, gobuildtest.Function(t, "counter"), defaultMemory)
	i := restore(t, m, capture(t, m))
	for n := range 50 {
		if got, want := answer(t, i, "{}"), `{"count":`+string([]byte{byte('0' + (n+1)/10), byte('0' + (n+1)%10)})+`}`; got != strings.Replace(want, ":0", ":", 1) {
			t.Fatalf("%d: %s", n, got)
		}
		park(t, i)
	}
}

// What ties an instance to its seat is not lost by parking.
func TestParkingKeepsWhatIsOpen(t *testing.T) {
	p := newPair(t)
	p.want(p.a, opOpen, "0")
	park(t, p.a)
	p.want(p.b, opCall, "1")
	p.want(p.a, opRead, "of a")
	p.want(p.b, opChange, "0")
	park(t, p.b)
	p.want(p.b, opCall, "2")
}

// Many instances, each called by a goroutine of its own, which take each other's
// seats and are parked meanwhile.
func TestInstancesAreParkedWhileOthersRun(t *testing.T) {
	m := compile(t, counting().handler(count), defaultMemory)
	s := capture(t, m)
	var all sync.WaitGroup
	for n := range 200 {
		i := restore(t, m, s)
		all.Go(func() {
			for round := range 6 {
				res, err := invoke(t, i, "")
				if want := strings.Repeat(string(rune('1'+round)), 2); err != nil || string(res.Payload) != want {
					t.Errorf("round %d: %s, %v, want %s", round, res.Payload, err, want)
					return
				}
				if n%3 == 0 {
					if err := i.Park(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
}

func TestParkingAClosedInstance(t *testing.T) {
	m := compile(t, counting().handler(count), defaultMemory)
	i := restore(t, m, capture(t, m))
	if err := i.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := i.Park(); !errors.Is(err, sandbox.ErrClosed) {
		t.Error(err)
	}
}

// Reset closes files, forgets changed tables, and empties /tmp.
func TestResetForgetsWhatIsNotMemory(t *testing.T) {
	m := compile(t, tricky(), defaultMemory)
	first := instantiate(t, m, sandbox.InstanceConfig{})
	if err := first.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, err := first.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	tmp := t.TempDir()
	i, err := m.Restore(t.Context(), s, sandbox.InstanceConfig{TmpDir: tmp})
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close(t.Context())
	p := pair{T: t, a: i}
	for range 3 {
		p.want(i, opCall, "1")
		p.want(i, opChange, "0")
		p.want(i, opCall, "2")
		for _, name := range []string{"file", "deep/er/file"} {
			path := filepath.Join(tmp, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte("left"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		p.want(i, opOpen, "0")
		p.want(i, opRead, "left")
		p.want(i, opCloseFolder, "0")
		if err := i.Reset(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.want(i, opStatFolder, "0")
		if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
			t.Errorf("left in /tmp: %v, %v", left, err)
		}
	}
}
