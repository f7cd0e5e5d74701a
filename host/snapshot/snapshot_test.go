package snapshot

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/lambent-host/lambent/sandbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// reactor answers nothing: lambent_invoke returns 0. Its memory has one page, with
// a letter in it.
var reactor = []byte("\x00asm\x01\x00\x00\x00" + // magic, version
	"\x01\x06\x01\x60\x01\x7f\x01\x7f" + // type: (i32) -> i32
	"\x03\x02\x01\x00" + // one function of it
	"\x05\x03\x01\x00\x01" + // one page of memory
	"\x07\x1b\x02\x06memory\x02\x00\x0elambent_invoke\x00\x00" +
	"\x0a\x06\x01\x04\x00\x41\x00\x0b" + // i32.const 0
	"\x0b\x07\x01\x00\x41\x00\x0b\x01a") // data at 0

type fixture struct {
	*Store
	t      *testing.T
	dir    string
	log    *bytes.Buffer
	module *sandbox.Module
	taken  int
}

func open(t *testing.T, maxBytes int64) *fixture {
	t.Helper()
	engine, err := sandbox.New(t.Context(), sandbox.Config{})
	if err != nil {
		t.Fatal(err)
	}
	module, err := engine.Compile(t.Context(), reactor, sandbox.Limits{MemoryBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, dir: filepath.Join(t.TempDir(), "snapshots"), log: new(bytes.Buffer), module: module}
	f.start(maxBytes)
	t.Cleanup(func() {
		if err := errors.Join(f.Close(), engine.Close(context.Background())); err != nil {
			t.Error(err)
		}
	})
	return f
}

func (f *fixture) start(maxBytes int64) {
	f.t.Helper()
	var err error
	if f.Store, err = Open(Config{Dir: f.dir, MaxBytes: maxBytes, Idle: time.Hour, Log: zerolog.New(f.log)}); err != nil {
		f.t.Fatal(err)
	}
}

// reopen is what a host does that starts again.
func (f *fixture) reopen(maxBytes int64) {
	f.t.Helper()
	if err := f.Close(); err != nil {
		f.t.Fatal(err)
	}
	f.taken = 0
	f.start(maxBytes)
}

// take captures an instance, and counts.
func (f *fixture) take(ctx context.Context) (*sandbox.Snapshot, error) {
	f.taken++
	i, err := f.module.Instantiate(ctx, sandbox.InstanceConfig{})
	if err != nil {
		return nil, err
	}
	defer func() { _ = i.Close(ctx) }()
	if err := i.Init(ctx); err != nil {
		return nil, err
	}
	return i.Snapshot(ctx)
}

func (f *fixture) obtain(k Key) *Lease {
	f.t.Helper()
	lease, err := f.Obtain(f.t.Context(), k, f.module, f.take)
	if err != nil {
		f.t.Fatal(err)
	}
	return lease
}

// restores holds that a lease is good for an instance.
func (f *fixture) restores(lease *Lease) {
	f.t.Helper()
	i, err := f.module.Restore(f.t.Context(), lease.Snapshot, sandbox.InstanceConfig{})
	if err != nil {
		f.t.Fatal(err)
	}
	if _, err := i.Invoke(f.t.Context(), sandbox.Invocation{Event: []byte("{}")}); err != nil {
		f.t.Error(err)
	}
	if err := i.Close(f.t.Context()); err != nil {
		f.t.Error(err)
	}
}

func (f *fixture) names() []string {
	f.t.Helper()
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		f.t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestASnapshotIsTakenOnceAndLoadedAfterARestart(t *testing.T) {
	f := open(t, 1<<30)
	k := KeyOf("f", "a")
	first, second := f.obtain(k), f.obtain(k)
	if first.Snapshot != second.Snapshot || f.taken != 1 || f.Leases() != 2 {
		t.Errorf("two leases of one key, taken %d times", f.taken)
	}
	first.Release()
	first.Release() // must not release the second's use
	f.restores(second)
	second.Release()
	if n := f.Leases(); n != 0 {
		t.Errorf("%d leases are out", n)
	}
	other := f.obtain(KeyOf("f", "b"))
	other.Release()
	if other.Snapshot == second.Snapshot || f.taken != 2 {
		t.Errorf("another key has the same snapshot, taken %d times", f.taken)
	}
	f.reopen(1 << 30)
	loaded := f.obtain(k)
	defer loaded.Release()
	if f.taken != 0 {
		t.Error("after a restart it was taken again")
	}
	f.restores(loaded)
	info, err := os.Stat(filepath.Join(f.dir, k.file()))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v; want it for its owner alone", info.Mode(), err)
	}
}

func TestCallersWaitForTheFirst(t *testing.T) {
	f := open(t, 1<<30)
	k := KeyOf("f")
	started, goOn := make(chan struct{}), make(chan struct{})
	first := make(chan *Lease, 1)
	go func() {
		lease, err := f.Obtain(t.Context(), k, f.module, func(ctx context.Context) (*sandbox.Snapshot, error) {
			close(started)
			<-goOn
			return f.take(ctx)
		})
		if err != nil {
			t.Error(err)
		}
		first <- lease
	}()
	<-started
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	if _, err := f.Obtain(gone, k, f.module, f.take); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that hangs up while it waits: %v", err)
	}
	close(goOn)
	second := f.obtain(k)
	lease := <-first
	if f.taken != 1 || lease.Snapshot != second.Snapshot {
		t.Errorf("taken %d times", f.taken)
	}
	lease.Release()
	second.Release()
}

func TestADamagedFileIsRemovedAndMadeAnew(t *testing.T) {
	for name, damage := range map[string]func(b []byte) []byte{
		"torn":    func(b []byte) []byte { return b[:len(b)/2] },
		"empty":   func([]byte) []byte { return nil },
		"changed": func(b []byte) []byte { b[len(b)-40] ^= 1; return b },
		"other":   func([]byte) []byte { return []byte("not a snapshot") },
	} {
		t.Run(name, func(t *testing.T) {
			f := open(t, 1<<30)
			k := KeyOf("f")
			f.obtain(k).Release()
			path := filepath.Join(f.dir, k.file())
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, damage(bytes.Clone(whole)), 0o600); err != nil {
				t.Fatal(err)
			}
			f.reopen(1 << 30)
			failing := errors.New("not now")
			if _, err := f.Obtain(t.Context(), k, f.module, func(context.Context) (*sandbox.Snapshot, error) { return nil, failing }); !errors.Is(err, failing) {
				t.Errorf("Obtain of a damaged file: %v, want it taken again", err)
			}
			if names := f.names(); len(names) > 0 || f.DiskBytes() != 0 {
				t.Errorf("the damaged file was kept: %v", names)
			}
			if !strings.Contains(f.log.String(), k.file()) || !strings.Contains(f.log.String(), `"level":"warn"`) {
				t.Errorf("the log does not tell: %s", f.log)
			}
			lease := f.obtain(k)
			defer lease.Release()
			f.restores(lease)
			f.reopen(1 << 30)
			if f.obtain(k).Release(); f.taken != 0 {
				t.Error("what was made anew is not on disk")
			}
		})
	}
}

func TestThatAGuestCannotBeCapturedIsRemembered(t *testing.T) {
	f := open(t, 1<<30)
	k := KeyOf("f")
	asked := 0
	refuse := func(err error) func(context.Context) (*sandbox.Snapshot, error) {
		return func(context.Context) (*sandbox.Snapshot, error) { asked++; return nil, err }
	}
	broken := errors.New("broken")
	for range 2 {
		if _, err := f.Obtain(t.Context(), k, f.module, refuse(broken)); !errors.Is(err, broken) {
			t.Errorf("error %v", err)
		}
	}
	if asked != 2 {
		t.Errorf("asked %d times after errors that may pass, want each time", asked)
	}
	for range 2 {
		var refused *sandbox.NotCapturableError
		if _, err := f.Obtain(t.Context(), k, f.module, refuse(&sandbox.NotCapturableError{Reason: "r"})); !errors.As(err, &refused) {
			t.Errorf("error %v", err)
		}
	}
	if asked != 3 {
		t.Errorf("asked %d times, want it remembered", asked-2)
	}
	f.Retain("f", nil)
	f.obtain(k).Release()
}

func TestDiskSpaceIsBounded(t *testing.T) {
	f := open(t, 1<<30)
	a, b, c := KeyOf("f", "a"), KeyOf("f", "b"), KeyOf("g", "c")
	for _, k := range []Key{a, b} {
		f.obtain(k).Release()
	}
	each := f.DiskBytes() / 2
	if each <= 0 {
		t.Fatalf("two snapshots take %d bytes", f.DiskBytes())
	}
	old := time.Now().Add(-time.Hour)
	for n, k := range []Key{a, b} {
		if err := os.Chtimes(filepath.Join(f.dir, k.file()), old, old.Add(time.Duration(n)*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	f.reopen(2 * each)
	f.obtain(a).Release() // used: b is the older one now
	f.obtain(c).Release()
	if names := strings.Join(f.names(), " "); strings.Contains(names, b.file()) || !strings.Contains(names, a.file()) || !strings.Contains(names, c.file()) {
		t.Errorf("%s are kept, want the two that were used last", names)
	}
	if n := f.DiskBytes(); n != 2*each {
		t.Errorf("%d bytes are accounted, want %d", n, 2*each)
	}
	f.reopen(each)
	if n := len(f.names()); n != 1 || f.DiskBytes() != each {
		t.Errorf("with less room %d files of %d bytes are kept", n, f.DiskBytes())
	}
	f.reopen(1)
	lease := f.obtain(b)
	defer lease.Release()
	f.restores(lease)
	if n := len(f.names()); n != 0 || f.DiskBytes() != 0 || !strings.Contains(f.log.String(), "all snapshots may take 1") {
		t.Errorf("a snapshot that has no room is on disk: %v, log %s", f.names(), f.log)
	}
}

func TestOnlyWhatBelongsToVersionsIsRetained(t *testing.T) {
	f := open(t, 1<<30)
	one, two, other := KeyOf("f", "1"), KeyOf("f", "2"), KeyOf("g", "1")
	used := f.obtain(one)
	for _, k := range []Key{two, other} {
		f.obtain(k).Release()
	}
	forgotten := f.entries[one]
	f.Retain("f", []Key{two})
	if names := strings.Join(f.names(), " "); strings.Contains(names, one.file()) || !strings.Contains(names, two.file()) || !strings.Contains(names, other.file()) {
		t.Errorf("%s are kept, want all but version 1's", names)
	}
	f.restores(used) // an environment that has it goes on
	used.Release()
	if forgotten.snapshot != nil {
		t.Error("a snapshot that was forgotten while it was in use is kept in memory")
	}
	f.obtain(one).Release()
	if f.taken != 4 {
		t.Errorf("taken %d times, want version 1's once more", f.taken)
	}
	if !f.Has("f") || !f.Has("g") || f.Has("h") {
		t.Error("Has does not tell what there is")
	}
	f.RetainAll([]Key{other})
	if names := f.names(); len(names) != 1 || names[0] != other.file() {
		t.Errorf("%v are kept, want only the other function's", names)
	}
}

func TestWhatIsNoSnapshotIsRemoved(t *testing.T) {
	f := open(t, 1<<30)
	k := KeyOf("f")
	f.obtain(k).Release()
	for _, name := range []string{".snapshot-123", "x.snapshot", strings.ToUpper(k.file()), "0011223344556677-zz.snapshot"} {
		if err := os.WriteFile(filepath.Join(f.dir, name), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f.reopen(1 << 30)
	if names := f.names(); len(names) != 1 || names[0] != k.file() {
		t.Errorf("the folder holds %q, want the snapshot alone", names)
	}
}

func TestUnusedSnapshotsLeaveTheMemory(t *testing.T) {
	f := open(t, 1<<30)
	f.cfg.Idle = -1
	used, unused := f.obtain(KeyOf("f", "used")), f.obtain(KeyOf("f", "unused"))
	unused.Release()
	f.Sweep()
	if n := len(f.entries); n != 1 {
		t.Errorf("%d snapshots are in memory, want the one in use", n)
	}
	f.restores(used)
	used.Release()
	f.Sweep()
	if n := len(f.entries); n != 0 {
		t.Errorf("%d snapshots are in memory, want none", n)
	}
	f.cfg.Idle = time.Hour
	f.obtain(KeyOf("f", "used")).Release()
	f.Sweep()
	if n := len(f.entries); n != 1 || f.taken != 2 {
		t.Errorf("%d in memory, taken %d times; want one, from disk", n, f.taken)
	}
}

func TestAClosedStoreGivesNothing(t *testing.T) {
	f := open(t, 1<<30)
	k := KeyOf("f")
	used := f.obtain(k)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Obtain(t.Context(), k, f.module, f.take); !errors.Is(err, ErrClosed) {
		t.Errorf("Obtain after Close: %v", err)
	}
	f.restores(used)
	used.Release()
}

func TestKeysTellPartsApart(t *testing.T) {
	keys := map[Key]bool{}
	for _, parts := range [][]string{{}, {""}, {"ab"}, {"a", "b"}, {"", "ab"}, {"1:a"}, {"a1:b"}} {
		keys[KeyOf("f", parts...)] = true
	}
	if len(keys) != 7 {
		t.Errorf("%d keys of 7 lists of parts", len(keys))
	}
	if KeyOf("f").function == KeyOf("F").function {
		t.Error("names that differ by case share files")
	}
	if k, ok := keyOfFile(KeyOf("f", "x").file()); !ok || k != KeyOf("f", "x") {
		t.Errorf("a file's name reads back as %+v, %v", k, ok)
	}
}

// Whatever ends the making of a snapshot, those who wait are told.
func TestAPanicDoesNotLeaveOthersWaiting(t *testing.T) {
	f := open(t, 1<<30)
	k := KeyOf("f")
	started, goOn, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		defer func() { _ = recover() }()
		_, _ = f.Obtain(t.Context(), k, f.module, func(context.Context) (*sandbox.Snapshot, error) {
			close(started)
			<-goOn
			panic("x")
		})
	}()
	<-started
	waiting := make(chan error)
	go func() { _, err := f.Obtain(t.Context(), k, f.module, f.take); waiting <- err }()
	close(goOn)
	<-ended
	if err := <-waiting; err != nil && !strings.Contains(err.Error(), "broken off") { // nil: it came later
		t.Errorf("error %v", err)
	}
}
