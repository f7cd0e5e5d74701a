package wasmextension

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/lambent-host/lambent/abi/gobuild"
	"github.com/lambent-host/lambent/abi/gobuild/gobuildtest"
	"github.com/lambent-host/lambent/extensions"
	"github.com/lambent-host/lambent/telemetry"
)

// One that hangs at its end does not take the time of the others for theirs.
func TestEachHasItsOwnTimeToEnd(t *testing.T) {
	c := newCollector(t)
	module, dir := gobuildtest.Package(t, "host/wasmextension/testdata/actor", gobuild.SeamAuto), t.TempDir()
	put := func(name string, environment map[string]string) {
		t.Helper()
		manifest, err := json.Marshal(map[string]any{
			"buffering": map[string]int{"timeoutMs": 25}, "environment": environment, "allowHosts": []string{strings.TrimPrefix(c.URL, "http://")},
		})
		if err != nil {
			t.Fatal(err)
		}
		for suffix, content := range map[string][]byte{".wasm": module, ".json": manifest} {
			if err := os.WriteFile(filepath.Join(dir, name+suffix), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, name := range []string{"a", "b", "c"} {
		put(name, map[string]string{"AT_END": "hang"})
	}
	put("z", map[string]string{"AT_END": "post", "ENDPOINT": c.URL + "/end"})

	settled := make(chan extensions.Account, 4)
	s := &stage{t: t, bus: telemetry.NewBus()}
	t.Cleanup(s.bus.Close)
	var err error
	s.all, err = New(Config{Dir: dir, Engine: engine(t), Bus: s.bus, Log: zerolog.Nop(), Settled: func(a extensions.Account) { settled <- a }})
	if err != nil {
		t.Fatal(err)
	}
	s.all.Start()
	s.publish("f", telemetry.TypeReport, report(1))
	for _, x := range s.all.all { // all have taken the batch: only an instance that was used is told of its end
		awaitInstance(t, x.runner)
	}
	// As long as one of them may hang: in turn, the last would have no time left.
	ctx, cancel := context.WithTimeout(t.Context(), shutdownBudget+500*time.Millisecond)
	defer cancel()
	_ = s.all.Shutdown(ctx)
	select {
	case <-c.got:
	default:
		t.Fatal("the one that does not hang was not told of its end")
	}
	if got := c.bodies[0]; got != "POST /end text/plain spindown" {
		t.Errorf("it said %q", got)
	}
	for range 4 {
		if a := <-settled; a.Delivered != 1 || !a.Balanced() {
			t.Errorf("account %+v", a)
		}
	}
}

func awaitInstance(t *testing.T, r *runner) {
	t.Helper()
	<-r.ready
	if r.failed != nil {
		t.Fatal(r.failed)
	}
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(60 * time.Second); ; <-ticker.C {
		r.mu.Lock()
		there := r.instance != nil
		r.mu.Unlock()
		if there {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("no instance was made")
		}
	}
}
