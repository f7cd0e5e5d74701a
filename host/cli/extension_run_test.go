package cli

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lambent-host/lambent/abi/gobuild/gobuildtest"
	"github.com/lambent-host/lambent/extensions"
	"github.com/lambent-host/lambent/extensions/extensionstest"
	"github.com/lambent-host/lambent/telemetry"
)

// echoFile is the echo function as a file.
func echoFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "echo.wasm")
	if err := os.WriteFile(file, gobuildtest.Function(t, "echo"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestExtensionRunShowsWhatPasses(t *testing.T) {
	extension := filepath.Join(extensionstest.Sample(t), "timeline")
	file := filepath.Join(t.TempDir(), "timeline.jsonl")
	out, code := lambentIn(t, t.TempDir(), "extension", "run", extension, "--function", echoFile(t),
		"--event", `{"a":1}`, "--times", "3", "--every", "50ms", "--env", "TIMELINE_FILE="+file)
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	for _, part := range []string{
		"timeline    registered     INVOKE,SHUTDOWN", "timeline    subscribed", "timeline    gets INVOKE", "timeline    asks for next",
		"timeline    gets telemetry initStart", "of which extensions added", `answered       3: {"a":1} in`,
		"timeline    gets SHUTDOWN  spindown", "exit status 0", "\n3 invocations, 0 failed; extensions added p50 ", "batches of telemetry, answered in p50",
		"events published", " 0 dropped, 0 left at the end",
	} {
		if !strings.Contains(out, part) {
			t.Errorf("not shown: %q", part)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
	if told, err := os.ReadFile(file); err != nil || !bytes.Contains(told, []byte(`"SHUTDOWN"`)) {
		t.Errorf("the extension did not get the variable: %v", err)
	}
}

// A change of the extension starts both anew, and Ctrl-C ends it.
func TestExtensionRunStartsAnewWhenASourceChanges(t *testing.T) {
	built := filepath.Join(extensionstest.Sample(t), "timeline")
	extension := filepath.Join(t.TempDir(), "mine")
	replace := func(mode os.FileMode) {
		t.Helper()
		_ = os.Remove(extension)
		if err := copyFile(built, extension, mode); err != nil {
			t.Fatal(err)
		}
	}
	replace(0o755)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	run := exec.CommandContext(ctx, lambent(t), "extension", "run", extension, "--function", echoFile(t), "--every", "100ms")
	read, write := io.Pipe()
	run.Stdout, run.Stderr = write, write
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(read)
	until := func(part string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), part) {
				return
			}
		}
		t.Fatalf("it ended before it said %q", part)
	}
	until("mine        gets INVOKE")
	replace(0o755)
	until("The source has changed.")
	until("mine        gets INVOKE")
	if err := run.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, read) }()
	if err := run.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	_ = write.Close()
}

func TestExtensionRunRefusesWhatCannotWork(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x"), nil, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"no function":        {[]string{"x"}, exitUsage, "--function is missing"},
		"no such extension":  {[]string{"y", "--function", "x"}, exitError, "y: no such file"},
		"an event":           {[]string{"x", "--function", "x", "--event", "{"}, exitUsage, "--event"},
		"an event file":      {[]string{"x", "--function", "x", "--event-file", "none"}, exitError, "--event-file"},
		"a pace":             {[]string{"x", "--function", "x", "--every", "0s"}, exitUsage, "--every"},
		"a number":           {[]string{"x", "--function", "x", "--times", "-1"}, exitUsage, "--times"},
		"a timeout":          {[]string{"x", "--function", "x", "--timeout", "901"}, exitUsage, "--timeout"},
		"a variable":         {[]string{"x", "--function", "x", "--env", "A"}, exitUsage, "--env"},
		"an isolation":       {[]string{"x", "--function", "x", "--extension-isolation", "some"}, exitUsage, "--extension-isolation"},
		"what is no module":  {[]string{"x", "--function", "x", "--times", "1"}, exitError, ""},
		"a folder of no use": {[]string{".", "--function", "x", "--times", "1"}, exitError, "build the extension"},
	} {
		out, code := lambentIn(t, dir, append([]string{"extension", "run"}, c.args...)...)
		if code != c.code || !strings.Contains(out, c.says) {
			t.Errorf("%s: exit code %d, want %d with %q\n%s", name, code, c.code, c.says, out)
		}
	}
}

func TestTheTimelineTellsWhatBecameOfEvents(t *testing.T) {
	var out bytes.Buffer
	line := newTimeline(&out)
	line.start()
	line.activity(extensions.Activity{Extension: "x", What: "next"})
	line.delivery(extensions.Delivery{Extension: "x", Protocol: "TCP", Took: time.Millisecond, Batch: [][]byte{[]byte(`{"type":"function"}`), []byte(`{"type":"platform.start"}`), []byte(`{"type":"function"}`)}})
	line.delivery(extensions.Delivery{Extension: "x", Protocol: "HTTP", Err: io.ErrUnexpectedEOF})
	line.report(telemetry.Report{Spans: []telemetry.Span{{Name: telemetry.SpanExtensionOverhead, DurationMs: 2}}})
	line.settled(extensions.Account{Extension: "x", Protocol: "TCP", Published: 5, Delivered: 3, Dropped: 2})
	line.summary()
	for _, part := range []string{
		"x           asks for next", "function x2, start; taken in 1.0 ms by TCP, 3 events", "not taken: unexpected EOF by HTTP",
		"extensions added 2.0 ms", "x over TCP: 5 events published, 3 delivered, 2 dropped, 0 left at the end",
	} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("not told: %q in\n%s", part, out.String())
		}
	}
}

func TestSourcesAreWatched(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("main.go", "one")
	put("deep/other.go", "one")
	for name, c := range map[string]struct {
		change func()
		seen   bool
	}{
		"nothing":       {func() {}, false},
		"a file":        {func() { put("deep/other.go", "three") }, true},
		"a new file":    {func() { put("new.go", "") }, true},
		"a hidden file": {func() { put(".git/index", "x") }, false},
		"dependencies":  {func() { put("node_modules/x.js", "x") }, false},
	} {
		s := watch(dir, filepath.Join(dir, "not there"))
		c.change()
		if seen := s.look() != s.seen; seen != c.seen {
			t.Errorf("%s: seen %v", name, seen)
		}
	}
	s := watch(dir)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if s.changed(gone) {
		t.Error("a change was told after the end")
	}
	put("main.go", "changed")
	if !s.changed(t.Context()) {
		t.Error("a change was not told")
	}
}
