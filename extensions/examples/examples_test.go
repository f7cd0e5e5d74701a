// Package examples holds the samples' tests: each is built, and led through lives of
// an environment.
package examples

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lambent-host/lambent/extensions/conformance"
	"github.com/lambent-host/lambent/extensions/extensionstest"
	"github.com/lambent-host/lambent/extensions/place"
)

func TestMain(m *testing.M) {
	place.ExitIfChild()
	m.Run()
}

func TestTheSamplesAreGoodExtensions(t *testing.T) {
	scenarios := extensionstest.Only("register", "first-next", "invoke", "function-crash", "odd-lines", "restart", "shutdown", "sigterm", "leftovers")
	for name, options := range map[string][]extensionstest.Option{
		"timeline": {scenarios},
		"tcpcount": {scenarios},
		"lokipush": {scenarios, extensionstest.Only("sink-data", "sink-errors", "sink-hangs"), extensionstest.SinkEnv("LOKI_URL")},
	} {
		t.Run(name, func(t *testing.T) {
			binary := filepath.Join(t.TempDir(), name)
			if out, err := exec.Command("go", "build", "-o", binary, "./"+name).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			report := extensionstest.Conform(t, binary, options...)
			for _, r := range report.Results {
				if r.Name == "sink-data" && (r.Outcome != conformance.Pass || !strings.Contains(r.Seen, "request")) {
					t.Errorf("what came to the backend: %s", r.Seen)
				}
			}
		})
	}
}
