package host_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// document is Lambda's error document.
type document struct {
	ErrorType    string            `json:"errorType"`
	ErrorMessage string            `json:"errorMessage"`
	StackTrace   []json.RawMessage `json:"stackTrace"`
}

// Every way a function can go wrong is a function error with Lambda's shape,
// ends when it must, and is followed by a fresh environment that works.
func TestFunctionsThatGoWrong(t *testing.T) {
	f := start(t)
	const mb128, s1 = 128, 1
	cases := []struct {
		name     string
		function string
		settings settings
		payload  string
		typ      string // of the document
		message  string // a part of it
		within   time.Duration
		times    int // the second time is in a fresh environment
	}{
		{"loop", "spin", settings{timeout: s1}, `{}`, "Sandbox.Timedout", "Task timed out after 1.00 seconds", 4 * time.Second, 2},
		{"loop-in-init", "spin", settings{timeout: s1, env: map[string]string{"SPIN_AT": "init"}}, `{}`, "Sandbox.Timedout", "Task timed out after 1.00 seconds", 15 * time.Second, 1},
		{"call-tree", "recurse", settings{timeout: s1}, `{"kind":"wide"}`, "Sandbox.Timedout", "Task timed out after 1.00 seconds", 4 * time.Second, 2},
		{"deep-recursion", "recurse", settings{timeout: 20, memory: mb128}, `{"kind":"deep"}`, "Runtime.OutOfMemory", "128 MB", 25 * time.Second, 2},
		{"sleep", "hello", settings{timeout: s1}, `{"sleepMs":60000}`, "Sandbox.Timedout", "Task timed out after 1.00 seconds", 4 * time.Second, 2},
		{"memory", "hoard", settings{timeout: 30, memory: mb128}, `{}`, "Runtime.OutOfMemory", "128 MB", 35 * time.Second, 2},
		{"exit", "exit", settings{}, `{"status":127}`, "Runtime.ExitError", "exit status 127", 5 * time.Second, 2},
		{"exit-0", "exit", settings{}, `{"status":0}`, "Runtime.ExitError", "Runtime exited without providing a reason", 5 * time.Second, 2},
		{"exit-in-init", "exit", settings{env: map[string]string{"EXIT_AT": "init"}}, `{}`, "Runtime.ExitError", "exit status 3", 5 * time.Second, 2},
		{"panic", "trap", settings{}, `{"kind":"panic"}`, "string", "a panic, as asked for", 5 * time.Second, 2},
		{"nil-pointer", "trap", settings{}, `{"kind":"nil"}`, "errorString", "nil pointer", 5 * time.Second, 2},
		{"error", "hello", settings{}, `{"name":"x","fail":true}`, "greetingError", `nobody greets "x"`, 5 * time.Second, 2},
		{"response-too-large", "flood", settings{timeout: 20}, `{"responseBytes":7000000}`, "Function.ResponseSizeTooLarge", "6291556", 20 * time.Second, 2},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f.deploy(t, c.name, c.function, c.settings)
			for range c.times {
				began := time.Now()
				out := f.invoke(t, c.name, c.payload)
				if took := time.Since(began); took > c.within {
					t.Errorf("took %v, want less than %v", took, c.within)
				}
				if got := aws.ToString(out.FunctionError); got != "Unhandled" {
					t.Errorf("X-Amz-Function-Error %q, want Unhandled", got)
				}
				var doc document
				if err := json.Unmarshal(out.Payload, &doc); err != nil {
					t.Fatalf("payload %s: %v", out.Payload, err)
				}
				if doc.ErrorType != c.typ || !strings.Contains(doc.ErrorMessage, c.message) {
					t.Errorf("document %+v, want type %q and a message with %q", doc, c.typ, c.message)
				}
			}
		})
	}
}

func TestAFloodOfOutputNeitherBlocksNorEndsTheFunction(t *testing.T) {
	f := start(t)
	f.deploy(t, "flood", "flood", settings{timeout: 20})
	out := f.invoke(t, "flood", `{"logLines":100000}`)
	if out.FunctionError != nil {
		t.Fatalf("flood failed: %s", out.Payload)
	}
	tail := decodeTail(t, out.LogResult)
	if len(tail) > 4096 || !strings.Contains(tail, "REPORT RequestId: ") {
		t.Errorf("tail of %d bytes, ends %q: want at most 4096 bytes that end with the report", len(tail), tail[max(0, len(tail)-200):])
	}
}
