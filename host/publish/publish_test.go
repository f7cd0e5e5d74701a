package publish

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/lambent-host/lambent/host/catalogue"
	"github.com/lambent-host/lambent/host/store"
	"github.com/lambent-host/lambent/sandbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Two commands of one function, _start: one returns at once, one leaves a value
// on the stack and does not validate.
var (
	validModule   = module("\x02\x00\x0b")
	invalidModule = module("\x04\x00\x41\x00\x0b")
	slowModule    = module("\x03\x00\x01\x0b") // see fixture.prepare
)

func module(body string) []byte {
	return []byte("\x00asm\x01\x00\x00\x00" + // magic, version
		"\x01\x04\x01\x60\x00\x00" + // type: () -> ()
		"\x03\x02\x01\x00" + // one function of it
		"\x07\x0a\x01\x06_start\x00\x00" + // exported
		"\x0a" + string(rune(len(body)+1)) + "\x01" + body)
}

type fixture struct {
	catalogue *catalogue.Catalogue
	publisher *Publisher
	settled   chan catalogue.Version
	preparing chan context.Context // gets the context of each slowModule
}

// prepare works in this process, and never ends with slowModule before it has to.
func (f *fixture) prepare(ctx context.Context, wasm []byte, dir string) (sandbox.Prepared, error) {
	if bytes.Equal(wasm, slowModule) {
		f.preparing <- ctx
		<-ctx.Done()
		return sandbox.Prepared{}, ctx.Err()
	}
	return sandbox.PrepareHere(ctx, wasm, dir)
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	dir := t.TempDir()
	st, err := store.Open(filepath.Join(dir, "lambent.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	functions, err := catalogue.Open(st, filepath.Join(dir, "code"), catalogue.Config{Region: "us-east-1", AccountID: "000000000000"})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{catalogue: functions, settled: make(chan catalogue.Version, 8), preparing: make(chan context.Context, 8)}
	engine, err := sandbox.New(t.Context(), sandbox.Config{CacheDir: filepath.Join(dir, "compiled"), Prepare: f.prepare})
	if err != nil {
		t.Fatal(err)
	}
	f.publisher = New(Config{
		Engine: engine, Catalogue: functions, Idle: time.Hour, Log: zerolog.Nop(),
		Settled: func(v catalogue.Version) { f.settled <- v },
	})
	t.Cleanup(func() {
		ctx := context.Background()
		if err := f.publisher.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := engine.Close(ctx); err != nil {
			t.Error(err)
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func (f *fixture) create(t *testing.T, name string, code []byte) catalogue.Version {
	t.Helper()
	v, err := f.catalogue.Create(t.Context(), catalogue.CreateInput{Name: name, Code: code})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// await polls the function's state: a failure is announced by no channel.
func (f *fixture) await(t *testing.T, name, state string) catalogue.Version {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		v, err := f.catalogue.Get(name, "")
		if err != nil {
			t.Fatal(err)
		}
		if v.State == state {
			return v
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("%s is %s (%s), want %s", name, v.State, v.StateReason, state)
		}
	}
}

func TestWhatWaitedAndWhatComesLaterIsPublished(t *testing.T) {
	f := newFixture(t)
	f.create(t, "before", validModule)
	f.publisher.Start()
	f.await(t, "before", "Active")
	f.create(t, "after", validModule)
	f.await(t, "after", "Active")
	if v := <-f.settled; v.FunctionName != "before" {
		t.Errorf("settled %s first, want before", v.FunctionName)
	}
}

func TestAnInvalidModuleFailsWithItsReason(t *testing.T) {
	f := newFixture(t)
	f.create(t, "broken", invalidModule)
	f.publisher.Start()
	v := f.await(t, "broken", "Failed")
	if v.StateReasonCode != "InvalidConfiguration" || !strings.Contains(v.StateReason, "invalid") {
		t.Errorf("reason %s: %q, want InvalidConfiguration and what is invalid", v.StateReasonCode, v.StateReason)
	}
}

func TestLeasesShareAModuleThatIsClosedOnlyWhenUnused(t *testing.T) {
	f := newFixture(t)
	v := f.create(t, "shared", validModule)
	first, err := f.publisher.Lease(t.Context(), v)
	if err != nil {
		t.Fatal(err)
	}
	second, err := f.publisher.Lease(t.Context(), v)
	if err != nil {
		t.Fatal(err)
	}
	if first.Module != second.Module {
		t.Error("two leases of one version compiled it twice")
	}
	other := v
	other.MemorySize = 256
	third, err := f.publisher.Lease(t.Context(), other)
	if err != nil {
		t.Fatal(err)
	}
	if third.Module == first.Module {
		t.Error("a module is shared between two memory sizes: one of them has the wrong limit")
	}
	third.Release()
	first.Release()
	first.Release() // must not release the second's use
	if closed, err := f.publisher.modules.sweep(t.Context(), -1); closed != 1 || err != nil {
		t.Errorf("sweep closed %d (%v), want only the unused module", closed, err)
	}
	second.Release()
	if closed, _ := f.publisher.modules.sweep(t.Context(), time.Hour); closed != 0 {
		t.Error("a module was closed before it had been idle for long enough")
	}
	if closed, err := f.publisher.modules.sweep(t.Context(), -1); closed != 1 || err != nil {
		t.Errorf("sweep closed %d (%v), want the module", closed, err)
	}
}

func TestAFailedLeaseIsNotRemembered(t *testing.T) {
	f := newFixture(t)
	v := f.create(t, "f", validModule)
	missing := v
	missing.CodeDigest = strings.Repeat("0", 64)
	if _, err := f.publisher.Lease(t.Context(), missing); err == nil {
		t.Fatal("code that is not there was leased")
	}
	if n := len(f.publisher.modules.entries); n != 0 {
		t.Errorf("%d entries after a failure, want none", n)
	}
}

// TestIdleModulesAreBounded: each update of a function's memory leaves a compiled
// module behind. Those unused for longest go first, without waiting to be idle.
func TestIdleModulesAreBounded(t *testing.T) {
	const most, made = maxIdleWeight / minWeight, maxIdleWeight/minWeight + 20
	f := newFixture(t)
	f.publisher.Start()
	v := f.create(t, "updated", validModule)
	used := v
	used.MemorySize = 5000
	held, err := f.publisher.Lease(t.Context(), used)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Release()
	for i := range made {
		v.MemorySize = 1000 + i
		lease, err := f.publisher.Lease(t.Context(), v)
		if err != nil {
			t.Fatal(err)
		}
		lease.Release()
	}
	m := f.publisher.modules
	count := func() (n int, newest, inUse bool) {
		m.mu.Lock()
		defer m.mu.Unlock()
		return len(m.entries), m.entries[key{v.CodeDigest, v.MemorySize}] != nil, m.entries[key{v.CodeDigest, used.MemorySize}] != nil
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		n, newest, inUse := count()
		if !newest || !inUse {
			t.Fatalf("closed: the newest %v, one in use %v", !newest, !inUse)
		}
		if n <= most+1 {
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("%d modules are kept, want at most %d and the one in use", n, most)
		}
	}
}
