package cli

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lambent-host/lambent/extensions/conformance"
	"github.com/lambent-host/lambent/extensions/extensionstest"
)

// TestExtensionTest holds the command to its exit codes and forms, with the sample
// and with a program that is no extension.
func TestExtensionTest(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad")
	if err := os.WriteFile(bad, []byte("#!/bin/sh\necho I fall\nexit 3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	good := filepath.Join(extensionstest.Sample(t), "timeline")
	if err := os.Mkdir(filepath.Join(dir, "extensions"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(good, filepath.Join(dir, "extensions", "layered")); err != nil {
		t.Fatal(err)
	}
	file := "TIMELINE_FILE=" + filepath.Join(dir, "timeline.jsonl")
	for name, c := range map[string]struct {
		args           []string
		code           int
		stdout, stderr string
	}{
		"passes": {[]string{good, "--env", file, "--scenario", "register,invocations,sink-slow", "--invocations", "5"}, exitOK,
			"pass  register          timeline registered for [INVOKE,SHUTDOWN]", ""},
		"figures":               {[]string{good, "--env", file, "--scenario", "invocations", "--invocations", "5"}, exitOK, "added latency p99", ""},
		"a layer":               {[]string{"--layer", dir, "--env", file, "--scenario", "register"}, exitOK, "layered: 1 passed, 0 failed, 0 skipped", ""},
		"told of a sink":        {[]string{good, "--env", file, "--sink-env", "X", "--scenario", "sink-data"}, exitError, "nothing arrived at the sink", "does not do what"},
		"fails":                 {[]string{bad, "--scenario", "register"}, exitError, "| I fall", "does not do what is expected"},
		"nothing":               {nil, exitUsage, "", "executable is missing, or --layer"},
		"no such file":          {[]string{filepath.Join(dir, "missing")}, exitUsage, "", "missing"},
		"no such scenario":      {[]string{bad, "--scenario", "silk"}, exitUsage, "", `no scenario "silk"`},
		"no time":               {[]string{bad, "--timeout", "0s"}, exitUsage, "", "--timeout: 0s is not positive"},
		"no invocations":        {[]string{bad, "--invocations", "-1"}, exitUsage, "", "--invocations: -1 is not positive"},
		"isolation":             {[]string{bad, "--isolation", "silk"}, exitUsage, "", `there is no isolation "silk"`},
		"no value":              {[]string{bad, "--env", "X"}, exitUsage, "", `"X" is not of the form NAME=VALUE`},
		"no place for a report": {[]string{bad, "--scenario", "register", "--junit", filepath.Join(dir, "no", "x.xml")}, exitUsage, "", "--junit: "},
	} {
		t.Run(name, func(t *testing.T) {
			got := run(t, nil, "", append([]string{"extension", "test", "--isolation", "none"}, c.args...)...)
			if got.code != c.code || !strings.Contains(got.stdout, c.stdout) || !strings.Contains(got.stderr, c.stderr) {
				t.Errorf("%+v\nwant exit %d, stdout with %q, stderr with %q", got, c.code, c.stdout, c.stderr)
			}
		})
	}
	t.Run("reports", func(t *testing.T) { extensionReports(t, good, file) })
}

// extensionReports asks for both forms at once.
func extensionReports(t *testing.T, extension, env string) {
	path := filepath.Join(t.TempDir(), "report.xml")
	got := run(t, nil, "", "extension", "test", extension, "--isolation", "none", "--env", env, "--scenario", "register", "--json", "--junit", path)
	var report struct {
		Passed  int
		Results []struct{ Name, Outcome string }
	}
	if err := json.Unmarshal([]byte(got.stdout), &report); err != nil || got.code != exitOK || report.Passed != 1 || report.Results[0].Outcome != "pass" {
		t.Errorf("%v: %+v", err, got)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var suites struct {
		Suites []struct {
			Cases []struct {
				Name string `xml:"name,attr"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(text, &suites); err != nil || len(suites.Suites) != 1 || suites.Suites[0].Cases[0].Name != "register" {
		t.Errorf("%v: %s", err, text)
	}
}

func TestExtensionTestLists(t *testing.T) {
	got := run(t, nil, "", "extension", "test", "--list")
	for _, s := range conformance.Scenarios() {
		if !strings.Contains(got.stdout, "\n"+s.Name+" ") && !strings.HasPrefix(got.stdout, s.Name+" ") {
			t.Errorf("%s is not listed", s.Name)
		}
	}
	if got.code != exitOK {
		t.Errorf("%+v", got)
	}
}

// TestExtensionTestIsInterrupted has the user end the test while an extension
// keeps it waiting.
func TestExtensionTestIsInterrupted(t *testing.T) {
	dir := t.TempDir()
	slow, pids := filepath.Join(dir, "slow"), filepath.Join(dir, "pid")
	if err := os.WriteFile(slow, []byte("#!/bin/sh\necho $$ > "+pids+".new\nmv "+pids+".new "+pids+"\nexec sleep 1000\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var stderr, stdout strings.Builder
	done := make(chan int, 1)
	go func() {
		done <- Main(ctx, Process{Args: []string{"extension", "test", "--isolation", "none", slow}, Env: os.Environ(), Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr})
	}()
	var pid string
	for end := time.Now().Add(20 * time.Second); pid == ""; {
		if text, err := os.ReadFile(pids); err == nil {
			pid = strings.TrimSpace(string(text))
		}
		if time.Now().After(end) {
			t.Fatal("the extension did not start")
		}
		pause := time.NewTimer(5 * time.Millisecond)
		<-pause.C
	}
	cancel()
	select {
	case code := <-done:
		if code != exitError || !strings.Contains(stderr.String(), "interrupted") {
			t.Errorf("exit %d: %s", code, stderr.String())
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it goes on")
	}
	if _, err := os.Stat("/proc/" + pid); err == nil {
		t.Errorf("process %s is still there", pid)
	}
}
