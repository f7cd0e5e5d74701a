package sandbox_test

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lambent-host/lambent/sandbox"
)

// hooked is the guest that counts, with hooks.
func hooked(before, after string) []byte {
	g := counting()
	g.Func("lambent_before_snapshot", ">i", "", named(before))
	g.Func("lambent_after_restore", ">i", "", named(after))
	return g.handler(count)
}

const (
	countOnce = "global.get 0 i32.const 1 i32.add global.set 0 i32.const 0"
	refuse    = "i32.const 0 i32.const 0 i32.const 0 i32.const 0 call fail"
)

func TestHooksRunBeforeTheSnapshotAndAfterEachRestore(t *testing.T) {
	m := compile(t, hooked(countOnce, countOnce), defaultMemory)
	i := restore(t, m, capture(t, m))
	for range 2 {
		if got := answer(t, i, ""); got != "31" { // two hooks and an invocation, in the global
			t.Errorf("%s, want 31", got)
		}
		if err := i.Reset(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAHookThatFailsIsAFault(t *testing.T) {
	for name, c := range map[string]struct {
		hook string
		kind sandbox.FaultKind
	}{
		"returns a number": {"i32.const 7", sandbox.FaultInit},
		"reports":          {refuse, sandbox.FaultInit},
		"traps":            {"unreachable", sandbox.FaultTrap},
	} {
		i := start(t, hooked(c.hook, "i32.const 0"), sandbox.InstanceConfig{})
		_, err := i.Snapshot(t.Context())
		t.Log(name, err)
		mustFault(t, err, c.kind)
		if _, err := invoke(t, i, ""); !errors.Is(err, sandbox.ErrFaulted) {
			t.Errorf("%s before the snapshot: invoked afterwards: %v", name, err)
		}
		m := compile(t, hooked("i32.const 0", c.hook), defaultMemory)
		restored, err := m.Restore(t.Context(), capture(t, m), sandbox.InstanceConfig{})
		mustFault(t, err, c.kind)
		if restored != nil {
			t.Errorf("%s after the restore: there is an instance", name)
		}
	}
}

// An instance that fails, and what it was restored from, are two things.
func TestATrapOfOneIsNotTheOthers(t *testing.T) {
	m := compile(t, counting().handler(count+" local.get 0 if > unreachable end"), defaultMemory)
	s := capture(t, m)
	a, b := restore(t, m, s), restore(t, m, s)
	answer(t, b, "")
	_, err := invoke(t, a, "x")
	mustFault(t, err, sandbox.FaultTrap)
	if err := a.Reset(t.Context()); !errors.Is(err, sandbox.ErrFaulted) {
		t.Errorf("reset after a trap: %v", err)
	}
	if got := answer(t, b, ""); got != "22" {
		t.Errorf("its neighbour: %s", got)
	}
	if got := answer(t, restore(t, m, s), ""); got != "11" {
		t.Errorf("the next one: %s", got)
	}
}

func TestARestoredMemoryEndsAtTheLimit(t *testing.T) {
	m := compile(t, newGuest().handler(grow), 3<<16)
	i := restore(t, m, capture(t, m))
	answer(t, i, ".")      // a second page
	answer(t, i, "......") // refused
	if got := answer(t, i, "."); got != "27" {
		t.Errorf("%q, want two pages, and the mark", got)
	}
	if got := answer(t, i, ""); got != "37" {
		t.Errorf("%q, want the third page", got)
	}
	if got, want := i.MemoryBytes(), uint64(3<<16); got != want {
		t.Errorf("the peak is %d, want %d", got, want)
	}
}

// The random bytes of restored guests are their own, and their monotonic clocks go
// on from that of the snapshot.
func TestRandomBytesAndClocksAreEachCopysOwn(t *testing.T) {
	g := newGuest()
	g.Import("wasi_snapshot_preview1", "random_get", "ii>i")
	g.Import("wasi_snapshot_preview1", "clock_time_get", "ili>i")
	random := len(strings.Fields(imports)) / 2
	wasm := g.handler(strings.NewReplacer("RANDOM", string(rune('0'+random)), "CLOCK", string(rune('0'+random+1))).Replace(
		`i32.const 8 i32.const 8 call RANDOM drop i32.const 1 i64.const 1 i32.const 0 call CLOCK drop i32.const 0 i32.const 16 call response_write`))
	m := compile(t, wasm, defaultMemory)
	i := instantiate(t, m, sandbox.InstanceConfig{})
	if err := i.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	clock := func(answer string) uint64 { return binary.LittleEndian.Uint64([]byte(answer)) }
	first := answer(t, i, "")
	s, err := i.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	seen := map[string]bool{first[8:]: true}
	latest := clock(first)
	for range 3 {
		got := answer(t, restore(t, m, load(t, m, saved(t, s))), "")
		if clock(got) < latest {
			t.Errorf("the clock went back from %d to %d", latest, clock(got))
		}
		latest = clock(got)
		if seen[got[8:]] {
			t.Error("random bytes twice")
		}
		seen[got[8:]] = true
	}
}

// No path leads out of /var/task, and no link that came with a package.
func TestNothingLeadsOutOfTheTask(t *testing.T) {
	wasm, err := filesProgram()
	if err != nil {
		t.Fatal(err)
	}
	outer := t.TempDir()
	inner := filepath.Join(outer, "task")
	write(t, filepath.Join(outer, "secret"), "the host's")
	if err := os.Mkdir(inner, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"up": "../secret", "absolute": filepath.Join(outer, "secret"), "folder": "..", "root": "/"} {
		if err := os.Symlink(to, filepath.Join(inner, name)); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(inner)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	session{t: t, inst: start(t, wasm, sandbox.InstanceConfig{Task: root.FS()})}.script(
		"read /var/task/../secret => error",
		"read /var/task/../../../../../etc/passwd => error",
		"read /var/task//etc/passwd => error",
		"read /var/task/up => error",
		"read /var/task/absolute => error",
		"read /var/task/folder/secret => error",
		"list /var/task/folder => error",
		"list /var/task/root => error",
		"read /var/task/root/etc/passwd => error",
		"stat /var/task/up => error",
		"list /var => error",
		"read "+filepath.Join(outer, "secret")+" => error",
	)
}

// A descriptor that a guest was not given is none, whatever the host has open.
func TestDescriptorsCannotBeGuessed(t *testing.T) {
	g := newGuest()
	g.Import("wasi_snapshot_preview1", "fd_read", "iiii>i")
	g.Import("wasi_snapshot_preview1", "fd_filestat_get", "ii>i")
	g.Import("wasi_snapshot_preview1", "fd_prestat_get", "ii>i")
	n := len(strings.Fields(imports)) / 2
	// Counts in local 1 the descriptors from 6 to 2000 that anything can be done with.
	code := `i32.const 6 local.set 0
		loop >
			local.get 0 i32.const 64 i32.const 1 i32.const 72 call READ i32.const 8 i32.ne
			local.get 0 i32.const 128 call STAT i32.const 8 i32.ne i32.add
			local.get 0 i32.const 128 call PRESTAT i32.const 8 i32.ne i32.add
			local.get 1 i32.add local.set 1
			local.get 0 i32.const 1 i32.add local.set 0
			local.get 0 i32.const 2000 i32.lt_u br_if 0
		end
		i32.const 0 local.get 1 i32.store 0 i32.const 0 i32.const 4 call response_write`
	digit := func(n int) string { return string(rune('0' + n)) }
	wasm := g.handler(strings.NewReplacer("PRESTAT", digit(n+2), "READ", digit(n), "STAT", digit(n+1)).Replace(code))
	i := start(t, wasm, sandbox.InstanceConfig{TmpDir: t.TempDir()})
	if got := answer(t, i, ""); got != "\x00\x00\x00\x00" {
		t.Errorf("%d of them are open", binary.LittleEndian.Uint32([]byte(got)))
	}
}
