package sandbox_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lambent-host/lambent/abi/gobuild/gobuildtest"
	"github.com/lambent-host/lambent/sandbox"
)

// capture initialises an instance of a module and takes a snapshot of it.
func capture(t testing.TB, m *sandbox.Module, warmUp ...string) *sandbox.Snapshot {
	t.Helper()
	i := instantiate(t, m, sandbox.InstanceConfig{})
	if err := i.Init(within(t, 30*time.Second)); err != nil {
		t.Fatal(err)
	}
	for _, event := range warmUp {
		answer(t, i, event)
	}
	s, err := i.Snapshot(within(t, 10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func restore(t testing.TB, m *sandbox.Module, s *sandbox.Snapshot) *sandbox.Instance {
	t.Helper()
	i, err := m.Restore(within(t, 10*time.Second), s, sandbox.InstanceConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = i.Close(context.Background()) })
	return i
}

func answer(t testing.TB, i *sandbox.Instance, event string) string {
	t.Helper()
	res, err := invoke(t, i, event)
	if err != nil || res.Error != nil {
		t.Fatalf("invoke: %v, %+v", err, res.Error)
	}
	return string(res.Payload)
}

// counting counts its invocations in a global and in memory, and answers with
// the two digits.
func counting() *guest {
	g := newGuest()
	g.Global('i', "i32.const 0")
	return g
}

const count = `global.get 0 i32.const 1 i32.add global.set 0
	i32.const 8 i32.const 8 i32.load 0 i32.const 1 i32.add i32.store 0
	i32.const 0 global.get 0 i32.const 48 i32.add i32.store8 0
	i32.const 1 i32.const 8 i32.load 0 i32.const 48 i32.add i32.store8 0
	i32.const 0 i32.const 2 call response_write`

func TestRestoredInstancesGoOnFromTheSnapshotEachForItself(t *testing.T) {
	m := compile(t, counting().handler(count), defaultMemory)
	s := capture(t, m, "", "")
	a, b := restore(t, m, s), restore(t, m, s)
	for n, step := range []struct {
		i    *sandbox.Instance
		want string
	}{{a, "33"}, {a, "44"}, {b, "33"}, {a, "55"}, {b, "44"}} {
		if got := answer(t, step.i, ""); got != step.want {
			t.Errorf("step %d: %s, want %s", n, got, step.want)
		}
	}
	if got := answer(t, restore(t, m, s), ""); got != "33" {
		t.Errorf("the snapshot has changed: %s", got)
	}
}

func TestResetForgets(t *testing.T) {
	m := compile(t, counting().handler(count), defaultMemory)
	i := restore(t, m, capture(t, m, ""))
	for range 3 {
		if got := answer(t, i, ""); got != "22" {
			t.Errorf("after a reset: %s, want 22", got)
		}
		if err := i.Reset(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAPlainInstanceCannotBeReset(t *testing.T) {
	i := start(t, newGuest().handler(echo), sandbox.InstanceConfig{})
	if err := i.Reset(t.Context()); !errors.Is(err, sandbox.ErrNotRestorable) {
		t.Errorf("reset: %v", err)
	}
}

// grow answers with the number of pages and with what stands at the end of the
// second one, where it then leaves a mark; and it grows by as many pages as the event
// has bytes.
const grow = `i32.const 0 memory.size i32.const 48 i32.add i32.store8 0
	local.get 0 memory.grow drop
	i32.const 1 i32.const 131068 i32.load 0 i32.const 48 i32.add i32.store8 0
	i32.const 131068 i32.const 7 i32.store 0
	i32.const 0 i32.const 2 call response_write`

func TestAMemoryThatGrewAfterTheSnapshotIsSmallAndZeroAgain(t *testing.T) {
	m := compile(t, newGuest().handler(grow), defaultMemory)
	s := capture(t, m)
	i := restore(t, m, s)
	for range 3 {
		if got := answer(t, i, "..."); got != "10" {
			t.Errorf("fresh: %q, want one page, and zeros in the second", got)
		}
		if got := answer(t, i, ""); got != "47" {
			t.Errorf("grown by three: %q, want four pages, and the mark", got)
		}
		if err := i.Reset(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := i.MemoryBytes(), uint64(4<<16); got != want {
		t.Errorf("the peak is %d, want %d", got, want)
	}
	if got := answer(t, restore(t, m, s), "..."); got != "10" {
		t.Errorf("another one: %q", got)
	}
}

func TestAnUnmodifiedGoHandlerIsRestored(t *testing.T) {
	m := compile(t, gobuildtest.Function(t, "counter"), defaultMemory)
	s := capture(t, m, "{}", "{}")
	a, b := restore(t, m, s), restore(t, m, s)
	for n, step := range []struct {
		i    *sandbox.Instance
		want int
	}{{a, 3}, {b, 3}, {a, 4}, {b, 4}} {
		if got, want := answer(t, step.i, "{}"), fmt.Sprintf(`{"count":%d}`, step.want); got != want {
			t.Errorf("step %d: %s, want %s", n, got, want)
		}
	}
	if err := a.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := answer(t, a, "{}"); got != `{"count":3}` {
		t.Errorf("after a reset: %s", got)
	}
}

// More instances than there are seats, each with its own state.
func TestManyInstancesShareSeats(t *testing.T) {
	m := compile(t, counting().handler(count), defaultMemory)
	s := capture(t, m)
	var all []*sandbox.Instance
	for range 200 {
		all = append(all, restore(t, m, s))
	}
	for round := range 3 {
		for n, i := range all {
			if got, want := answer(t, i, ""), strings.Repeat(fmt.Sprint(round+1), 2); got != want {
				t.Fatalf("instance %d, round %d: %s, want %s", n, round, got, want)
			}
		}
	}
}

func TestASnapshotIsOfOneModule(t *testing.T) {
	s := capture(t, compile(t, counting().handler(count), defaultMemory))
	other := compile(t, newGuest().handler(echo), defaultMemory)
	if _, err := other.Restore(t.Context(), s, sandbox.InstanceConfig{}); err == nil {
		t.Error("restored a guest of another module")
	}
}

func BenchmarkRestoreGo(b *testing.B) {
	m := compile(b, gobuildtest.Function(b, "counter"), defaultMemory)
	s := capture(b, m)
	ctx := context.Background()
	event := sandbox.Invocation{Event: []byte("{}")}
	b.ReportAllocs()
	for b.Loop() {
		i, err := m.Restore(ctx, s, sandbox.InstanceConfig{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := i.Invoke(ctx, event); err != nil {
			b.Fatal(err)
		}
		if err := i.Close(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkResetGo(b *testing.B) {
	m := compile(b, gobuildtest.Function(b, "counter"), defaultMemory)
	i := restore(b, m, capture(b, m))
	ctx := context.Background()
	event := sandbox.Invocation{Event: []byte("{}")}
	for b.Loop() {
		if err := i.Reset(ctx); err != nil {
			b.Fatal(err)
		}
		if _, err := i.Invoke(ctx, event); err != nil {
			b.Fatal(err)
		}
	}
}
