package extensionstest

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lambent-host/lambent/extensions/conformance"
	"github.com/lambent-host/lambent/extensions/internal/actors"
)

// TestConformOfTheSample is what the author of an extension writes.
func TestConformOfTheSample(t *testing.T) {
	timeline := filepath.Join(Sample(t), "timeline")
	report := Conform(t, timeline,
		Env("TIMELINE_FILE="+filepath.Join(t.TempDir(), "timeline.jsonl")),
		Only("register", "invocations", "shutdown", "sink-data"),
		With(func(c *conformance.Config) { c.Invocations = 10 }),
	)
	if report.Count(conformance.Pass) != 3 || report.Count(conformance.Skip) != 1 {
		t.Error(report.Summary())
	}
}

// heard is a test that notes what it is told.
type heard struct {
	testing.TB
	logs, errors, skips []string
}

func (*heard) Helper()        {}
func (h *heard) Log(a ...any) { h.logs = append(h.logs, fmt.Sprint(a...)) }
func (h *heard) Skip(a ...any) {
	h.skips = append(h.skips, fmt.Sprint(a...))
}

func (h *heard) Errorf(format string, a ...any) {
	h.errors = append(h.errors, fmt.Sprintf(format, a...))
}

func TestAFailureFailsTheTest(t *testing.T) {
	report, err := conformance.Run(t.Context(), conformance.Config{
		Target: conformance.Target{
			Executables: []string{filepath.Join(actors.Folder(t, "badexit"), "badexit")},
			Env:         []string{actors.Env},
		},
		Scenarios: []string{"register", "log-burst", "shutdown"},
	})
	if err != nil {
		t.Fatal(err)
	}
	h := &heard{TB: t}
	for _, r := range report.Results {
		judge(h, r)
	}
	if len(h.errors) != 1 || !strings.Contains(h.errors[0], "exit status 5") || !strings.Contains(h.errors[0], "expected: ") {
		t.Errorf("errors %q", h.errors)
	}
	if len(h.skips) != 1 || !strings.Contains(h.skips[0], "subscribe") {
		t.Errorf("skips %q", h.skips)
	}
	if len(h.logs) == 0 || !strings.HasPrefix(h.logs[0], "register") {
		t.Errorf("logs %q", h.logs)
	}
}
