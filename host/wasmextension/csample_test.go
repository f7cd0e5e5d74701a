package wasmextension

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rs/zerolog"

	"github.com/lambent-host/lambent/abi/abitest"
	"github.com/lambent-host/lambent/extensions"
	"github.com/lambent-host/lambent/telemetry"
)

// The sample in C counts what it is told, and tells of a batch again that was refused.
func TestTheSampleInCCounts(t *testing.T) {
	module := abitest.CGuest(t, "eventcount")
	c := newCollector(t)
	var refused atomic.Bool
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refused.CompareAndSwap(false, true) {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		c.Config.Handler.ServeHTTP(w, r)
	}))
	defer front.Close()
	manifest, err := json.Marshal(map[string]any{
		// Long enough for what is published to be one batch.
		"buffering":   map[string]int{"timeoutMs": 1000},
		"environment": map[string]string{"COLLECTOR": front.URL}, "allowHosts": []string{strings.TrimPrefix(front.URL, "http://")},
	})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string][]byte{"eventcount.wasm": module, "eventcount.json": manifest} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	settled := make(chan extensions.Account, 1)
	s := &stage{t: t, bus: telemetry.NewBus()}
	t.Cleanup(s.bus.Close)
	s.all, err = New(Config{Dir: dir, Engine: engine(t), Bus: s.bus, Log: zerolog.Nop(), Settled: func(a extensions.Account) { settled <- a }})
	if err != nil {
		t.Fatal(err)
	}
	s.all.Start()
	s.publish("f", telemetry.TypeReport, report(1))
	s.publish("f", telemetry.TypeFunction, `a line with "[{\" in it`)
	s.publish("f", telemetry.TypeFunction, json.RawMessage(`{"nested":[{"a":{}},{}]}`))
	if got := c.await(t); got != `POST / application/json {"events":3}` {
		t.Errorf("it said %s", got)
	}
	s.end()
	if !refused.Load() {
		t.Error("nothing was refused")
	}
	if a := <-settled; a.Delivered != 3 || a.Dropped != 0 || !a.Balanced() {
		t.Errorf("account %+v", a)
	}
}
