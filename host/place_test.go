package host_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/lambent-host/lambent/extensions/extensionstest"
	"github.com/lambent-host/lambent/extensions/place"
	"github.com/lambent-host/lambent/host"
)

// isolate has a host isolate extensions, or skips.
func isolate(t *testing.T) func(*host.Config) {
	t.Helper()
	if _, err := place.New(t.Context(), place.Config{Isolation: place.Full}); err != nil {
		t.Skipf("SKIPPED: this machine makes no namespaces: %v", err)
	}
	return func(c *host.Config) {
		c.ExtensionIsolation = string(place.Full)
		c.ExtensionsDir = extensionstest.Sample(t)
	}
}

// TestIsolatedExtensionsShareTheirEnvironmentsTmp: what an extension writes to /tmp is
// in its environment's folder and no other, and it is told what it is told elsewhere.
func TestIsolatedExtensionsShareTheirEnvironmentsTmp(t *testing.T) {
	f := start(t, isolate(t))
	name := fmt.Sprintf("timeline-of-%d.jsonl", os.Getpid())
	f.deploy(t, "hello", "hello", settings{env: map[string]string{"TIMELINE_FILE": "/tmp/" + name}})
	var both sync.WaitGroup
	for range 2 { // at once, so that there may be two environments
		both.Go(func() { f.invoke(t, "hello", `{"name":"x"}`) })
	}
	both.Wait()
	files, err := filepath.Glob(filepath.Join(f.dir, "tmp", "environment-*", name))
	if err != nil || len(files) == 0 {
		t.Fatalf("no timeline in %s (%v)", f.dir, err)
	}
	for _, file := range files {
		waitFor(t, 20*time.Second, func() bool { return slices.Contains(platform(readTimeline(t, file)), "runtimeDone") }, "platform.runtimeDone in "+file)
	}
	if _, err := os.Stat("/tmp/" + name); err == nil {
		t.Error("it was written to this machine's /tmp")
	}
}

// TestAHostThatMayNotIsolateSaysSo, when it was asked to.
func TestAHostThatMayNotIsolateSaysSo(t *testing.T) {
	t.Setenv("LAMBENT_KEEPING", "1") // a process that may not start keepers
	cfg := host.DefaultConfig()
	cfg.ExtensionIsolation = string(place.Full)
	cfg.Listen, cfg.DataDir = "127.0.0.1:0", t.TempDir()
	if h, err := host.New(t.Context(), cfg, zerolog.Nop()); err == nil {
		h.Shutdown(t.Context())
		t.Error("it runs")
	}
}
