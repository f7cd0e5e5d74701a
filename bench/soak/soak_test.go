package soak

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lambent-host/lambent/extensions"
	"github.com/lambent-host/lambent/extensions/place"
	"github.com/lambent-host/lambent/host/client"
	"github.com/lambent-host/lambent/sandbox/publish"
)

func TestMain(m *testing.M) {
	place.ExitIfChild()
	publish.ExitIfChild()
	if code := m.Run(); code != 0 {
		os.Exit(code)
	}
	if err := goleak.Find(); err != nil {
		panic(err)
	}
}

// TestRunFindsNoFault runs all of it, short.
func TestRunFindsNoFault(t *testing.T) {
	cfg := Config{Functions: 4, Duration: 4 * time.Second, PerSecond: 40, Workers: 4, KillEvery: 100 * time.Millisecond, Seed: 7, Limit: 5 * time.Minute}
	report, err := Run(t.Context(), cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	var table, text bytes.Buffer
	if err := errors.Join(report.WriteTable(&table), report.WriteJSON(&text)); err != nil {
		t.Errorf("%v\n%s", err, table.String())
	}
	if report.Succeeded == 0 || len(report.Failed) == 0 || runtime.GOOS == "linux" && report.Kills == 0 {
		t.Errorf("nothing went wrong, or all did:\n%s", table.String())
	}
	for _, name := range extensionNames {
		if s := report.Subscriptions[name]; s == nil || s.Published == 0 || s.Delivered == 0 {
			t.Errorf("%s: %+v", name, s)
		}
	}
	if !json.Valid(text.Bytes()) {
		t.Errorf("JSON %s", text.String())
	}
}

func TestFaultsAreFound(t *testing.T) {
	r := newReport(DefaultConfig())
	r.Succeeded = 1
	for _, name := range extensionNames {
		r.account(extensions.Account{Extension: name, Published: 5, Told: 1, Delivered: 3, Dropped: 2, Left: 1})
	}
	r.judge()
	if r.Faults != nil || r.verdict() != nil {
		t.Fatalf("faults %q", r.Faults)
	}
	// Too few on one account do not make up for too many on another.
	r.account(extensions.Account{Extension: "invoke0", Published: 5, Delivered: 4})
	r.account(extensions.Account{Extension: "invoke0", Published: 5, Delivered: 6})
	r.refused(errors.New("status 500"))
	r.Silent = []string{"soak-003"}
	r.After = Leftovers{Goroutines: 1, Files: []string{"/data/lambent.db"}, Mounts: 1, Processes: []string{"invoke0"}}
	r.judge()
	all := strings.Join(r.Faults, "\n")
	for _, part := range []string{"invoke0: 2 events", "status 500", "soak-003", "goroutines", "/data/lambent.db", "mounts", "processes, 0 before: invoke0"} {
		if !strings.Contains(all, part) {
			t.Errorf("%q is not in\n%s", part, all)
		}
	}
	var table bytes.Buffer
	if err := r.WriteTable(&table); !errors.Is(err, errFaults) || !strings.Contains(table.String(), "FAULT: soak") && !strings.Contains(table.String(), "soak-003") {
		t.Errorf("%v, table %s", err, table.String())
	}
}

func TestDescendantsAreFoundAndKilled(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("processes are told apart on Linux alone")
	}
	// A child of a child: what a namespace's keeper starts is below it.
	cmd := exec.Command("/bin/sh", "-c", "sleep 60 & wait")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	find := func() *process {
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); runtime.Gosched() {
			all := descendants()
			if n := slices.IndexFunc(all, func(p process) bool { return p.name == "sleep" }); n >= 0 {
				return &all[n]
			}
		}
		return nil
	}
	sleep := find()
	if sleep == nil || !killProcess(*sleep) {
		t.Fatalf("found %+v", sleep)
	}
	_ = cmd.Wait() // the shell tells what became of its child
	if left := now().Processes; slices.Contains(left, "sleep") {
		t.Errorf("left %q", left)
	}
}

func TestEveryKindKnowsItsAnswer(t *testing.T) {
	fine := &client.InvokeOutput{Payload: []byte(`{}`)}
	exited := &client.InvokeOutput{FunctionError: "Unhandled", Payload: []byte(`{"errorType":"Runtime.ExitError"}`)}
	crashed := &client.InvokeOutput{FunctionError: "Unhandled", Payload: []byte(`{"errorType":"Extension.Crash"}`)}
	for n := range 10 {
		k := kindOf(n)
		if k.answers(crashed) || k.answers(fine) == k.fails || k.answers(exited) != k.fails {
			t.Errorf("%+v", k)
		}
	}
}

func TestConfigFaultsAreListedByField(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("the default is refused: %v", err)
	}
	err := Config{}.Validate()
	for _, field := range []string{"Functions", "Duration", "PerSecond", "Workers", "KillEvery", "Limit"} {
		if err == nil || !strings.Contains(err.Error(), "field "+field) {
			t.Errorf("%v does not name %s", err, field)
		}
	}
}
