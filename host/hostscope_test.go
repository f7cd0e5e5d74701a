package host_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lambent-host/lambent/extensions/extensionstest"
	"github.com/lambent-host/lambent/host"
)

// One process observes the environments of several functions, and no invocation
// waits for it.
func TestAnExtensionOfTheHostSeesTheEnvironmentsOfAllFunctions(t *testing.T) {
	dir := extensionstest.Sample(t)
	file := filepath.Join(t.TempDir(), "timeline.jsonl")
	attached, err := json.Marshal(map[string]any{"functions": []string{"seen-*"}, "environment": map[string]string{"TIMELINE_FILE": file}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "timeline.json"), attached, 0o600); err != nil {
		t.Fatal(err)
	}
	f := start(t, func(c *host.Config) { c.HostExtensionsDir = dir })
	for _, name := range []string{"seen-one", "seen-two", "hidden"} {
		f.deploy(t, name, "counter", settings{})
	}
	told := func(parts ...string) bool {
		text, _ := os.ReadFile(file)
		for line := range strings.Lines(string(text)) {
			all := true
			for _, part := range parts {
				all = all && strings.Contains(line, part)
			}
			if all {
				return true
			}
		}
		return false
	}
	// The process may still be starting, and nothing waits for it.
	waitFor(t, 20*time.Second, func() bool {
		f.invoke(t, "seen-one", "{}")
		return told(`"INVOKE"`, `:function:seen-one"`, `"environmentId":"`)
	}, "INVOKE of the first function")
	for _, name := range []string{"seen-two", "hidden"} {
		f.invoke(t, name, "{}")
	}
	waitFor(t, 20*time.Second, func() bool {
		return told(`"platform.report"`, `:function:seen-one`) && told(`"platform.report"`, `:function:seen-two`)
	}, "reports of both functions")
	f.stop(t)
	if !told(`"SHUTDOWN"`, `"spindown"`) {
		t.Error("the extension was not told of the end")
	}
	if told("hidden") {
		t.Error("the extension was told of a function it is not attached to")
	}
}
