package host_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/lambent-host/lambent/extensions"
	"github.com/lambent-host/lambent/extensions/extensionstest"
	"github.com/lambent-host/lambent/host"
)

// entry is one line of what the sample extension writes. Data is a lifecycle
// event or a telemetry event, by Kind.
type entry struct {
	Kind string `json:"kind"`
	Data struct {
		EventType      string `json:"eventType"`
		ShutdownReason string `json:"shutdownReason"`
		Type           string `json:"type"`
	} `json:"data"`
}

func readTimeline(t *testing.T, path string) []entry {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var entries []entry
	for lines := bufio.NewScanner(bytes.NewReader(raw)); lines.Scan(); {
		var e entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatalf("line %q: %v", lines.Text(), err)
		}
		entries = append(entries, e)
	}
	return entries
}

// platform returns the names of the platform's telemetry, in order of arrival.
func platform(entries []entry) []string {
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Data.Type, "platform.") {
			names = append(names, strings.TrimPrefix(e.Data.Type, "platform."))
		}
	}
	return names
}

func TestAnExtensionSeesTheWholeLifeOfAFunction(t *testing.T) {
	file := filepath.Join(t.TempDir(), "timeline.jsonl")
	accounts := make(chan extensions.Account, 1)
	f := start(t, func(c *host.Config) {
		c.ExtensionsDir = extensionstest.Sample(t)
		c.TelemetrySettled = func(a extensions.Account) { accounts <- a }
	})
	f.deploy(t, "hello", "hello", settings{timeout: 2, env: map[string]string{"TIMELINE_FILE": file}})
	cold := f.invoke(t, "hello", `{"name":"cold"}`)
	f.invoke(t, "hello", `{"name":"warm"}`)
	failed := f.invoke(t, "hello", `{"name":"x","fail":true}`)
	if aws.ToString(failed.FunctionError) != "Unhandled" {
		t.Errorf("a handler's error: %s %s", aws.ToString(failed.FunctionError), failed.Payload)
	}
	f.stop(t)
	if a := <-accounts; !a.Balanced() || a.Delivered == 0 || a.Dropped+a.Left != 0 || a.Source.FunctionName != "hello" {
		t.Errorf("account %+v", a)
	}

	entries := readTimeline(t, file)
	got := platform(entries)
	// Between its registration and its first next an extension subscribes when it
	// likes, while the runtime starts beside it.
	const subscription = "telemetrySubscription"
	if at := slices.Index(got, subscription); at < 1 || at > slices.Index(got, "extension") {
		t.Errorf("%s is number %d of %v, want it after initStart and before extension", subscription, at, got)
	}
	got = slices.DeleteFunc(got, func(name string) bool { return name == subscription })
	invocation := []string{"start", "runtimeDone", "report"}
	want := slices.Concat([]string{"initStart", "initRuntimeDone", "extension", "initReport"}, invocation, invocation, invocation)
	if !slices.Equal(got, want) {
		t.Errorf("platform events\n %v, want\n %v", got, want)
	}
	checkEvents(t, entries)
	checkTail(t, cold)
}

// checkEvents looks at what the extension was sent beside platform telemetry.
func checkEvents(t *testing.T, entries []entry) {
	t.Helper()
	invokes, functionLines := 0, 0
	for _, e := range entries {
		switch {
		case e.Data.EventType == "INVOKE":
			invokes++
		case e.Data.Type == "function":
			functionLines++
		}
	}
	if invokes != 3 || functionLines < 3 {
		t.Errorf("%d INVOKE events and %d function lines, want 3 and at least 3", invokes, functionLines)
	}
	last := slices.IndexFunc(entries, func(e entry) bool { return e.Data.EventType == "SHUTDOWN" })
	if last < 0 || entries[last].Data.ShutdownReason != "spindown" {
		t.Errorf("no SHUTDOWN of reason spindown among %d entries", len(entries))
	}
}

// checkTail looks at the log of the first invocation.
func checkTail(t *testing.T, out *lambda.InvokeOutput) {
	t.Helper()
	tail := decodeTail(t, out.LogResult)
	for _, want := range []string{"START RequestId: ", " Version: $LATEST", "END RequestId: ", "REPORT RequestId: ", "Billed Duration: ", "Memory Size: 128 MB", "Init Duration: "} {
		if !strings.Contains(tail, want) {
			t.Errorf("log tail lacks %q:\n%s", want, tail)
		}
	}
}

func decodeTail(t *testing.T, encoded *string) string {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(aws.ToString(encoded))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestATimeoutResetsTheEnvironmentAndTellsTheExtension(t *testing.T) {
	file := filepath.Join(t.TempDir(), "timeline.jsonl")
	f := start(t, func(c *host.Config) { c.ExtensionsDir = extensionstest.Sample(t) })
	f.deploy(t, "spin", "spin", settings{timeout: 1, env: map[string]string{"TIMELINE_FILE": file}})
	out := f.invoke(t, "spin", `{}`)
	if aws.ToString(out.FunctionError) != "Unhandled" {
		t.Fatalf("spin: %s", out.Payload)
	}
	tail := decodeTail(t, out.LogResult)
	for _, want := range []string{"Task timed out after 1.00 seconds", "Status: timeout"} {
		if !strings.Contains(tail, want) {
			t.Errorf("log tail lacks %q:\n%s", want, tail)
		}
	}
	reasons := []string{}
	for _, e := range readTimeline(t, file) {
		if e.Data.EventType == "SHUTDOWN" {
			reasons = append(reasons, e.Data.ShutdownReason)
		}
	}
	if !slices.Equal(reasons, []string{"timeout"}) {
		t.Errorf("SHUTDOWN reasons %v, want [timeout]", reasons)
	}
}

func TestAnAsynchronousInvocationRunsAfterThe202(t *testing.T) {
	file := filepath.Join(t.TempDir(), "timeline.jsonl")
	f := start(t, func(c *host.Config) { c.ExtensionsDir = extensionstest.Sample(t) })
	f.deploy(t, "hello", "hello", settings{env: map[string]string{"TIMELINE_FILE": file}})
	out, err := f.sdk.Invoke(t.Context(), &lambda.InvokeInput{
		FunctionName: aws.String("hello"), Payload: []byte(`{"name":"later"}`), InvocationType: types.InvocationTypeEvent,
	})
	if err != nil {
		t.Fatal(err)
	}
	if out.StatusCode != 202 || len(out.Payload) != 0 || out.ExecutedVersion != nil {
		t.Errorf("status %d, payload %q, version %v: want 202, nothing, nothing", out.StatusCode, out.Payload, out.ExecutedVersion)
	}
	reported := func() bool {
		if _, err := os.Stat(file); err != nil {
			return false
		}
		return slices.Contains(platform(readTimeline(t, file)), "runtimeDone")
	}
	waitFor(t, 20*time.Second, reported, "the event to run")
}

// waitFor polls until ok, or fails the test.
func waitFor(t *testing.T, limit time.Duration, ok func() bool, what string) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.After(limit); !ok(); {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("waited %v for %s", limit, what)
		}
	}
}
