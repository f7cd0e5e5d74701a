package publish

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lambent-host/lambent/host/catalogue"
)

// mustEnd waits for a compilation to be stopped.
func mustEnd(compiling context.Context, t *testing.T) {
	t.Helper()
	select {
	case <-compiling.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the compilation goes on")
	}
}

func TestACompilationEndsWithTheLastWhoWaits(t *testing.T) {
	f := newFixture(t)
	v := f.create(t, "slow", slowModule)
	first, stopFirst := context.WithCancel(t.Context())
	second, stopSecond := context.WithCancel(t.Context())
	defer stopSecond()
	ended := make(chan error, 2)
	go func() { _, err := f.publisher.Lease(first, v); ended <- err }()
	compiling := <-f.preparing
	go func() { _, err := f.publisher.Lease(second, v); ended <- err }()
	m := f.publisher.modules
	deadline := time.Now().Add(10 * time.Second)
	for users := 0; users < 2 && time.Now().Before(deadline); {
		m.mu.Lock()
		users = m.entries[key{v.CodeDigest, v.MemorySize}].users
		m.mu.Unlock()
	}
	stopFirst()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the first: %v", err)
	}
	if compiling.Err() != nil {
		t.Error("the compilation ended while somebody waited for it")
	}
	stopSecond()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the second: %v", err)
	}
	mustEnd(compiling, t)
	// Who comes later begins anew.
	third, stopThird := context.WithCancel(t.Context())
	go func() { _, err := f.publisher.Lease(third, v); ended <- err }()
	mustNotHaveEnded(<-f.preparing, t)
	stopThird()
	<-ended
}

func mustNotHaveEnded(compiling context.Context, t *testing.T) {
	t.Helper()
	if compiling.Err() != nil {
		t.Error("the compilation had been ended when it began")
	}
}

func TestACompilationEndsWithItsVersion(t *testing.T) {
	for name, change := range map[string]func(f *fixture, v catalogue.Version) error{
		"delete": func(f *fixture, v catalogue.Version) error {
			return f.catalogue.Delete(context.Background(), v.FunctionName, "")
		},
		"shutdown": func(f *fixture, _ catalogue.Version) error { return f.publisher.Shutdown(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			v := f.create(t, "slow", slowModule)
			f.publisher.Start()
			compiling := <-f.preparing
			if err := change(f, v); err != nil {
				t.Fatal(err)
			}
			mustEnd(compiling, t)
		})
	}
}

// A module that takes long holds up none that has been compiled before.
func TestLoadingDoesNotWaitForCompiling(t *testing.T) {
	f := newFixture(t)
	v := f.create(t, "quick", validModule)
	lease, err := f.publisher.Lease(t.Context(), v)
	if err != nil {
		t.Fatal(err)
	}
	lease.Release()
	if _, err := f.publisher.modules.sweep(t.Context(), -1); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	slow := f.create(t, "slow", slowModule)
	ended := make(chan error)
	turns := cap(f.publisher.modules.compiling)
	for n := range turns + 3 {
		slow := slow // the goroutine's own
		slow.MemorySize = 128 + n
		go func() { _, err := f.publisher.Lease(ctx, slow); ended <- err }()
	}
	for range turns {
		<-f.preparing
	}
	within, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	lease, err = f.publisher.Lease(within, v)
	if err != nil {
		t.Fatal(err)
	}
	lease.Release()
	stop()
	for range turns + 3 {
		<-ended
	}
}
