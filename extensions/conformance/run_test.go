package conformance

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lambent-host/lambent/extensions/internal/actors"
	"github.com/lambent-host/lambent/extensions/place"
)

func TestWhatCannotBeTriedOut(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		cfg  Config
		want string
	}{
		"nothing":           {Config{}, "there is no extension"},
		"no file":           {Config{Target: Target{Executables: []string{filepath.Join(dir, "missing")}}}, "missing"},
		"a folder":          {Config{Target: Target{Executables: []string{dir}}}, "is not a file"},
		"two of one name":   {Config{Target: Target{Executables: []string{file, file}}}, "exists"},
		"both":              {Config{Target: Target{Executables: []string{file}, Layer: dir}}, "give one of them"},
		"an empty layer":    {Config{Target: Target{Layer: dir}}, "there is no extension in " + filepath.Join(dir, "extensions")},
		"unknown scenario":  {Config{Target: Target{Executables: []string{file}}, Scenarios: []string{"register", "silk"}}, `no scenario "silk"`},
		"isolation":         {Config{Target: Target{Executables: []string{file}}, Isolation: "silk"}, `no isolation "silk"`},
		"a broken variable": {Config{Target: Target{Executables: []string{file}, Env: []string{"NOVALUE"}}}, `"NOVALUE"`},
	} {
		if _, err := Run(t.Context(), c.cfg); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestLayer tries two extensions out that come in a layer.
func TestLayer(t *testing.T) {
	layer := t.TempDir()
	if err := os.Rename(actors.Folder(t, "good1", "citizen"), filepath.Join(layer, "extensions")); err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		Target:    Target{Layer: layer, Env: []string{actors.Env}},
		Scenarios: []string{"register", "invocations", "shutdown", "leftovers"}, Invocations: 5, Isolation: place.None,
	}
	report := try(t, cfg)
	if report.Count(Pass) != 4 || strings.Join(report.Extensions, " ") != "citizen good1" {
		t.Errorf("%s: %+v", report.Summary(), report.Results)
	}
	if seen := report.Results[0].Seen; !strings.Contains(seen, "citizen registered for [INVOKE,SHUTDOWN], good1 registered for") {
		t.Errorf("seen %q", seen)
	}
}

// TestInterrupted ends a run in the middle: it says so, and nothing is left of
// what ran.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cfg := actor(t, "mute") // it takes all the time it gets
	mark := "LAMBENT_TEST_RUN=" + t.Name()
	cfg.Env = append(cfg.Env, mark)
	begun := make(chan struct{})
	cfg.Begin = func(Scenario) { close(begun) }
	cfg.InitTimeout = limit
	done := make(chan error, 1)
	go func() {
		report, err := Run(ctx, cfg)
		if report == nil || len(report.Results) != 0 {
			t.Errorf("report %+v", report)
		}
		done <- err
	}()
	<-begun
	if canSeeProcesses {
		awaitProcesses(t, mark, 1)
	}
	cancel()
	select {
	case err := <-done:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
	case <-time.After(limit):
		t.Fatal("it goes on")
	}
	if left := processes(mark); len(left) > 0 {
		t.Errorf("left behind: %s", names(left))
	}
}

// awaitProcesses waits until so many run.
func awaitProcesses(t *testing.T, mark string, n int) []proc {
	t.Helper()
	for end := time.Now().Add(limit); ; {
		found := processes(mark)
		if len(found) == n {
			return found
		}
		if time.Now().After(end) {
			t.Fatalf("%d processes, want %d", len(found), n)
		}
		pause := time.NewTimer(5 * time.Millisecond)
		<-pause.C
	}
}

// TestAScenarioIsBounded gives a scenario less time than the extension wants.
func TestAScenarioIsBounded(t *testing.T) {
	cfg := actor(t, "mute")
	cfg.Scenarios = []string{"register"}
	cfg.InitTimeout, cfg.Timeout = limit, brief
	began := time.Now()
	r := try(t, cfg).Results[0]
	if r.Outcome != Fail || !strings.Contains(r.Seen, "the scenario's own time of 1.5s was over") || time.Since(began) > limit/2 {
		t.Errorf("%s after %s: %s", r.Outcome, time.Since(began), r.Seen)
	}
}

func TestScenariosAreDescribed(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range Scenarios() {
		if s.Name == "" || s.What == "" || s.Expect == "" || s.run == nil || seen[s.Name] || strings.ContainsAny(s.Name, " ,_") {
			t.Errorf("%q is incomplete, there twice, or has a name that is hard to type", s.Name)
		}
		seen[s.Name] = true
	}
}
