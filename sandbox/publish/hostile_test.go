package publish

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lambent-host/lambent/sandbox"
	"github.com/lambent-host/lambent/sandbox/hostiletest"
)

// Whatever is published, what comes back names the limit or loads.
func TestHostileModules(t *testing.T) {
	if memoryLimit != nil {
		t.Skip(memoryLimit)
	}
	ctx := context.Background()
	c := newChildren(t, Limits{CPUTime: hostiletest.CPUTimeSeconds * time.Second, MemoryBytes: hostiletest.MemoryMB << 20})
	e, err := sandbox.New(ctx, sandbox.Config{CacheDir: t.TempDir(), Prepare: c.Prepare})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close(ctx) }()
	for _, m := range append(hostiletest.Refused(), hostiletest.Faulty()...) {
		t.Run(m.Name, func(t *testing.T) {
			module, err := e.Publish(ctx, m.Wasm, sandbox.Limits{MemoryBytes: hostiletest.GuestMB << 20})
			if m.Refused == "" {
				if err != nil {
					t.Fatal(err)
				}
				if err := module.Close(ctx); err != nil {
					t.Error(err)
				}
				return
			}
			var refused *sandbox.ModuleError
			if !errors.As(err, &refused) || !strings.Contains(err.Error(), m.Refused) {
				t.Errorf("%v, want %q", err, m.Refused)
			}
		})
	}
}
