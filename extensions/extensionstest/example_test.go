package extensionstest_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/lambent-host/lambent/extensions/conformance"
	"github.com/lambent-host/lambent/extensions/extensionstest"
)

// build builds the sample extension into a folder of its own.
func build() (dir, path string) {
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		panic(err)
	}
	path = filepath.Join(dir, "timeline")
	out, err := exec.Command("go", "build", "-o", path, "github.com/lambent-host/lambent/extensions/examples/timeline").CombinedOutput()
	if err != nil {
		panic(fmt.Sprintf("%v: %s", err, out))
	}
	return dir, path
}

// An extension is led through one life with two invocations.
func ExampleDrive() {
	dir, path := build()
	defer func() { _ = os.RemoveAll(dir) }()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	run, err := extensionstest.Drive(ctx, extensionstest.Scenario{
		Executables: []string{path},
		Env:         []string{"TIMELINE_FILE=" + filepath.Join(dir, "timeline.jsonl")},
		Invokes:     2,
	})
	if err != nil {
		panic(err)
	}
	for _, step := range run.Steps {
		fmt.Println(step.Name, step.Error == nil)
	}
	// Output:
	// start true
	// init true
	// invoke 1 true
	// invoke 2 true
	// shutdown true
}

// Outside of a test the scenarios are run by package conformance, which is what
// Conform does inside of one.
func ExampleConform() {
	dir, path := build()
	defer func() { _ = os.RemoveAll(dir) }()
	report, err := conformance.Run(context.Background(), conformance.Config{
		Target: conformance.Target{
			Executables: []string{path},
			Env:         []string{"TIMELINE_FILE=" + filepath.Join(dir, "timeline.jsonl")},
		},
		Scenarios: []string{"register", "invoke", "shutdown", "sink-slow"},
	})
	if err != nil {
		panic(err)
	}
	for _, result := range report.Results {
		fmt.Println(result.Outcome, result.Name)
	}
	// Output:
	// pass register
	// pass invoke
	// skip sink-slow
	// pass shutdown
}
