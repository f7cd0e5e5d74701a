package extensionstest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lambent-host/lambent/extensions"
	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/extensions/internal/actors"
	"github.com/lambent-host/lambent/telemetry"
)

func TestMain(m *testing.M) {
	actors.Play()
	if dir := os.Getenv(envHost); dir != "" {
		playHost(dir)
	}
	goleak.VerifyTestMain(m)
}

const limit = 30 * time.Second

func drive(t *testing.T, scenario Scenario) *Run {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	run, err := Drive(ctx, scenario)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// line is what the timeline example writes.
type line struct {
	ReceivedAt time.Time       `json:"receivedAt"`
	Kind       string          `json:"kind"`
	Data       json.RawMessage `json:"data"`
}

// name is what a line is about.
func (l line) name(t *testing.T) string {
	var ev struct {
		EventType string `json:"eventType"`
		Type      string `json:"type"`
	}
	if err := json.Unmarshal(l.Data, &ev); err != nil || l.ReceivedAt.IsZero() {
		t.Errorf("line %+v: %v", l, err)
	}
	return ev.EventType + ev.Type
}

// TestTimeline holds the sample extension to what its documentation says, and
// with it the whole way: process, register, subscription, order, last flush.
func TestTimeline(t *testing.T) {
	file := filepath.Join(t.TempDir(), "timeline.jsonl")
	run := drive(t, Scenario{
		Dir:      Sample(t),
		Env:      []string{"TIMELINE_FILE=" + file},
		Invokes:  2,
		LogLines: 2,
	})
	if err := run.Err(); err != nil {
		t.Fatal(err)
	}
	calls := []string{"started", "registered", "subscribed", "next", "INVOKE", "next", "INVOKE", "next", "SHUTDOWN", "exited"}
	if got := run.Calls("timeline"); !sameButStart(got, calls) {
		t.Errorf("calls %q, want %q", got, calls)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var events, received []string
	for lines := bufio.NewScanner(bytes.NewReader(content)); lines.Scan(); {
		var l line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatalf("%s: %v", lines.Bytes(), err)
		}
		switch l.Kind {
		case "event":
			events = append(events, l.name(t))
		case "telemetry":
			received = append(received, l.name(t))
		default:
			t.Errorf("kind %q", l.Kind)
		}
	}
	if want := []string{"INVOKE", "INVOKE", "SHUTDOWN"}; !slices.Equal(events, want) {
		t.Errorf("events %q, want %q", events, want)
	}
	var published []string
	for _, ev := range run.Published {
		published = append(published, string(ev.Type))
	}
	if !slices.Equal(received, published) {
		t.Errorf("received  %q\npublished %q", received, published)
	}
}

// sameButStart compares, wherever "started" is: the process may register before
// its start is told.
func sameButStart(got, want []string) bool {
	without := func(calls []string) []string {
		return slices.DeleteFunc(slices.Clone(calls), func(call string) bool { return call == "started" })
	}
	return slices.Equal(without(got), without(want))
}

func TestMisbehaviour(t *testing.T) {
	const brief = 300 * time.Millisecond
	tests := []struct {
		actor    string
		scenario Scenario
		step     string // that fails; "" if none does
		want     error
		calls    []string // the last ones
	}{
		{"good", Scenario{Invokes: 3}, "", nil, []string{"SHUTDOWN", "exited"}},
		{"observer", Scenario{Invokes: 3}, "", nil, []string{"registered", "next", "SHUTDOWN", "exited"}},
		{"crash", Scenario{}, "start", failure("crash", extapi.FatalCrash), []string{"exited"}},
		{"mute", Scenario{InitTimeout: brief}, "start", context.DeadlineExceeded, []string{"killed", "exited"}},
		{"neverpoll", Scenario{InitTimeout: 5 * time.Second, ShutdownBudget: brief} /* it has to register in time */, "init", context.DeadlineExceeded, []string{"registered", "killed", "exited"}},
		{"midcrash", Scenario{Invokes: 2}, "invoke 1", failure("midcrash", extapi.FatalCrash), []string{"next", "INVOKE", "exited"}},
		{"hang", Scenario{Invokes: 2, InvokeTimeout: brief, ShutdownBudget: brief}, "invoke 1", context.DeadlineExceeded, []string{"INVOKE", "killed", "exited"}},
		{"undead", Scenario{Invokes: 1, ShutdownBudget: brief}, "", nil, []string{"SHUTDOWN", "next", "killed", "exited"}},
		{"exiterror", Scenario{Invokes: 1, ShutdownBudget: brief}, "invoke 1", failure("exiterror", extapi.FatalExitError), []string{"exit/error", "killed", "exited"}},
	}
	for _, test := range tests {
		t.Run(test.actor, func(t *testing.T) {
			test.scenario.Dir = actors.Folder(t, test.actor)
			test.scenario.Env = []string{actors.Env}
			run := drive(t, test.scenario)
			failed, err := failedStep(run)
			if failed != test.step || !matches(err, test.want) {
				t.Errorf("step %q failed: %v; want %q, %v", failed, err, test.step, test.want)
			}
			got := run.Calls(test.actor)
			if len(got) < len(test.calls) || !slices.Equal(got[len(got)-len(test.calls):], test.calls) {
				t.Errorf("calls %q, want at the end %q", got, test.calls)
			}
			if last := run.Steps[len(run.Steps)-1]; test.step != "start" && last.Name != "shutdown" {
				t.Errorf("the last step is %s", last.Name)
			}
		})
	}
}

func failedStep(run *Run) (string, error) {
	for _, step := range run.Steps {
		if step.Error != nil {
			return step.Name, step.Error
		}
	}
	return "", nil
}

func failure(name, typ string) error { return &extensions.ExtensionError{Name: name, Type: typ} }

// matches compares an extension's failure by name and type, others by identity.
func matches(err, want error) bool {
	var got, wanted *extensions.ExtensionError
	if errors.As(want, &wanted) {
		return errors.As(err, &got) && got.Name == wanted.Name && got.Type == wanted.Type
	}
	return errors.Is(err, want)
}

func TestPublishedOrder(t *testing.T) {
	run := drive(t, Scenario{Dir: actors.Folder(t, "good"), Env: []string{actors.Env}, Invokes: 1, LogLines: 1})
	var got []string
	for _, ev := range run.Published {
		got = append(got, strings.TrimPrefix(string(ev.Type), "platform."))
	}
	want := []string{"initStart", "initRuntimeDone", "extension", "initReport", "start", "function", "runtimeDone", "report"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if run.Published[2].Type != telemetry.TypeExtensionState {
		t.Errorf("third is %v", run.Published[2])
	}
}

func TestExecutableIsPlaced(t *testing.T) {
	_, err := Drive(context.Background(), Scenario{Executables: []string{"a/same", "b/same"}})
	if err == nil {
		t.Error("two extensions of one name were placed")
	}
}

// envHost makes the test binary a host of the extensions in the folder it names.
const envHost = "LAMBENT_TEST_HOST"

// playHost runs the extensions and copies what they write until it is killed.
func playHost(dir string) {
	stream := telemetry.NewBus().Open(telemetry.Source{})
	sub := stream.Subscribe(telemetry.SubscriptionConfig{Categories: []telemetry.Category{telemetry.CategoryExtension}})
	_, err := extensions.Start(context.Background(), extensions.Config{Dir: dir, Env: []string{actors.Env}, Stream: stream})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for {
		ev, _ := sub.Next(context.Background())
		fmt.Println(ev.Record)
	}
}

// TestKilledHost has the host die without a chance to clean up: its extensions
// die with it.
func TestKilledHost(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ties the life of a process to its parent's")
	}
	host := exec.Command(os.Args[0])
	host.Env = []string{envHost + "=" + actors.Folder(t, "telling")}
	out, err := host.StdoutPipe()
	if err == nil {
		err = host.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if n, err := fmt.Fscanf(out, "pid %d\n", &pid); n != 1 {
		t.Errorf("the extension did not tell its process id: %v", err)
	}
	if !actors.Alive(pid) {
		t.Error("the extension does not run")
	}
	_ = host.Process.Kill()
	_ = host.Wait()
	for deadline := time.Now().Add(limit); actors.Alive(pid); {
		if time.Now().After(deadline) {
			t.Fatalf("extension %d outlived its host", pid)
		}
	}
}
