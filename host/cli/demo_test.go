package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambent-host/lambent/host/client"
)

// What the sample extension writes, in an order in which it can arrive.
const written = `{"kind":"telemetry","receivedAt":"2026-01-02T15:04:05.200Z","data":{"time":"2026-01-02T15:04:05.050Z","type":"function","record":"greeting\tAda\n"}}
{"kind":"event","receivedAt":"2026-01-02T15:04:05.040Z","data":{"eventType":"INVOKE","deadlineMs":1,"requestId":"12345678-9abc"}}
{"kind":"telemetry","receivedAt":"2026-01-02T15:04:05.200Z","data":{"time":"2026-01-02T15:04:05.000Z","type":"platform.initStart","record":{"phase":"init"}}}
{"kind":"telemetry","receivedAt":"2026-01-02T15:04:05.200Z","data":{"time":"2026-01-02T15:04:05.060Z","type":"platform.runtimeDone","record":{"requestId":"12345678-9abc","status":"error","errorType":"greetingError","metrics":{"durationMs":1.25,"producedBytes":7}}}}
{"kind":"telemetry","receivedAt":"2026-01-02T15:04:05.200Z","data":{"time":"2026-01-02T15:04:05.070Z","type":"platform.report","record":{"requestId":"12345678-9abc","status":"success","metrics":{"durationMs":1.3,"billedDurationMs":12,"maxMemoryUsedMB":4,"initDurationMs":10}}}}
{"kind":"event","receivedAt":"2026-01-02T15:04:06.000Z","data":{"eventType":"SHUTDOWN","shutdownReason":"timeout"}}
`

func timelineFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "timeline.jsonl")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTheTimelineIsInTheOrderInWhichThingsHappened(t *testing.T) {
	var out strings.Builder
	d := &demo{app: &app{Process: Process{Stdout: &out}}, timeline: timelineFile(t, written)}
	if err := d.showTimeline(t.Context()); err != nil {
		t.Fatal(err)
	}
	const want = `
What the extension received (ms since the environment's init began)
        0 initStart
       40 INVOKE                 request 12345678
       50 function               greeting	Ada
       60 runtimeDone            error (greetingError), 1.2 ms, 7 bytes
       70 report                 success, 1.3 ms, billed 12 ms, 4 MB, init 10.0 ms
     1000 SHUTDOWN               because of timeout

`
	if out.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", out.String(), want)
	}
}

func TestReadingATimelineThatIsBeingWritten(t *testing.T) {
	cases := []struct {
		name, text string
		entries    int
		fault      string
	}{
		{"nothing yet", "", 0, ""},
		{"a line under way", written + `{"kind":"telemetry","da`, 6, ""},
		{"a whole line under way", strings.TrimSuffix(written, "\n"), 5, ""},
		{"no JSON", "hello\n" + written, 0, `"hello\n"`},
		{"a log line that is no text", `{"kind":"telemetry","data":{"time":"2026-01-02T15:04:05Z","type":"function","record":{"a":1}}}` + "\n", 0, "cannot unmarshal object"},
		{"a record that is no object", `{"kind":"telemetry","data":{"time":"2026-01-02T15:04:05Z","type":"platform.start","record":"x"}}` + "\n", 0, "cannot unmarshal string"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			entries, err := readTimeline(timelineFile(t, c.text))
			if len(entries) != c.entries || (err != nil) != (c.fault != "") {
				t.Fatalf("%d entries, error %v; want %d and an error with %q", len(entries), err, c.entries, c.fault)
			}
			if err != nil && !strings.Contains(err.Error(), c.fault) {
				t.Errorf("error %v does not tell %q", err, c.fault)
			}
		})
	}
	if entries, err := readTimeline(filepath.Join(t.TempDir(), "none")); len(entries) > 0 || err != nil {
		t.Errorf("no file: %v, %v", entries, err)
	}
	d := &demo{app: &app{}, timeline: timelineFile(t, "")}
	if err := d.showTimeline(t.Context()); err == nil {
		t.Error("an extension that received nothing is no error")
	}
}

func FuzzTimelineEntry(f *testing.F) {
	for line := range strings.Lines(written) {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		entry, err := parseTimelineEntry(line)
		if text := entry.describe(); err == nil && strings.HasSuffix(text, "\n") {
			t.Errorf("%q is described with an end of line: %q", line, text)
		}
	})
}

func TestQuantiles(t *testing.T) {
	samples := []time.Duration{5, 3, 1, 4, 2}
	for q, want := range map[float64]time.Duration{0.01: 1, 0.2: 1, 0.21: 2, 0.5: 3, 0.8: 4, 0.99: 5, 1: 5} {
		if got := quantile(samples, q); got != want {
			t.Errorf("quantile %v of %v: %d, want %d", q, samples, got, want)
		}
	}
	if samples[0] != 5 {
		t.Error("the samples were sorted in place")
	}
}

func TestColdIsReadFromTheReport(t *testing.T) {
	for log, cold := range map[string]bool{
		"START\nREPORT RequestId: r\tDuration: 1.00 ms\tInit Duration: 10.00 ms\t\n":     true,
		"START\nREPORT RequestId: r\tDuration: 1.00 ms\tMax Memory Used: 4 MB\t\n":       false,
		"the function says Init Duration: 5\nREPORT RequestId: r\tDuration: 1.00 ms\t\n": false,
		"": false,
	} {
		if got := wasCold(&client.InvokeOutput{Log: []byte(log)}); got != cold {
			t.Errorf("%q: cold %v, want %v", log, got, cold)
		}
	}
}

func TestAPartOfTheDemoEndsOfItself(t *testing.T) {
	broken := errors.New("broken")
	wait := func(ctx context.Context) error { <-ctx.Done(); return broken }
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if err := within(t.Context(), time.Minute, wait); !errors.Is(err, broken) || !strings.Contains(err.Error(), "longer than 1m0s") {
			t.Errorf("past the limit: %v", err)
		}
		if took := time.Since(began); took != time.Minute {
			t.Errorf("ended after %v", took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := within(ctx, time.Minute, wait); !errors.Is(err, context.Canceled) || !errors.Is(err, broken) {
			t.Errorf("interrupted: %v", err)
		}
		if err := within(t.Context(), time.Minute, func(context.Context) error { return broken }); err != broken {
			t.Errorf("a failure in time: %v", err)
		}
	})
}

// Without a terminal a step says now and then that it goes on, and how it ended.
func TestAStepShowsThatItGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		a := &app{Process: Process{Stdout: &out}}
		if err := a.step("think", func() error { time.Sleep(25 * time.Second); return nil }); err != nil {
			t.Error(err)
		}
		if err := a.step("fail", func() error { return os.ErrNotExist }); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("error %v", err)
		}
		lines := strings.Split(out.String(), "\n")
		for i, want := range []string{"think: 10 s so far", "think: 20 s so far", "done, 25.0 s", "failed, 0.0 s"} {
			if len(lines) <= i || !strings.HasSuffix(lines[i], want) {
				t.Errorf("line %d of %q is not %q", i+1, lines, want)
			}
		}
	})
}
