package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lambent-host/lambent/bench/measure"
	"github.com/lambent-host/lambent/extensions"
	"github.com/lambent-host/lambent/host/client"
	"github.com/lambent-host/lambent/telemetry"
)

// timeline prints what happens between a host and an extension, a line each with
// the milliseconds since it began. It is safe for concurrent use.
type timeline struct {
	out   io.Writer
	began time.Time

	mu       sync.Mutex
	overhead []time.Duration // that the extension added to each invocation
	posts    []time.Duration // that it took to answer a batch
	accounts []extensions.Account
	failed   int // invocations
}

func newTimeline(out io.Writer) *timeline { return &timeline{out: out, began: time.Now()} }

// start is when its time begins.
func (t *timeline) start() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.began = time.Now()
	fmt.Fprintln(t.out, "       ms  who         what")
}

// say prints a line; who is the extension, or "" for the caller.
func (t *timeline) say(who, what, detail string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if who == "" {
		who = "caller"
	}
	line := fmt.Sprintf("%9.1f  %-11s %-14s %s", milliseconds(time.Since(t.began)), who, what, detail)
	fmt.Fprintln(t.out, strings.TrimRight(line, " "))
}

// activity prints a call of the extension, or what was done to it.
func (t *timeline) activity(a extensions.Activity) {
	what := a.What
	switch what {
	case "next":
		what = "asks for next"
	case "INVOKE", "SHUTDOWN":
		what = "gets " + what
	}
	t.say(a.Extension, what, a.Detail)
}

// delivery prints a batch of telemetry and what became of it.
func (t *timeline) delivery(d extensions.Delivery) {
	types := map[string]int{}
	var order []string
	for _, encoded := range d.Batch {
		var event struct {
			Type string `json:"type"`
		}
		_ = json.Unmarshal(encoded, &event) // the host has made it
		name := strings.TrimPrefix(event.Type, "platform.")
		if types[name]++; types[name] == 1 {
			order = append(order, name)
		}
	}
	for i, name := range order {
		if n := types[name]; n > 1 {
			order[i] = fmt.Sprintf("%s x%d", name, n)
		}
	}
	answer := fmt.Sprintf("taken in %.1f ms", milliseconds(d.Took))
	if d.Err != nil {
		answer = "not taken: " + d.Err.Error()
	}
	t.say(d.Extension, "gets telemetry", fmt.Sprintf("%s; %s by %s, %d events", strings.Join(order, ", "), answer, d.Protocol, len(d.Batch)))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.posts = append(t.posts, d.Took)
}

func (t *timeline) settled(a extensions.Account) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.accounts = append(t.accounts, a)
}

// read prints what the function and the extension write and what the report says of
// the extension's time, until the events end.
func (t *timeline) read(events *telemetry.Subscription) {
	for {
		ev, err := events.Next(context.Background())
		if err != nil {
			return
		}
		switch r := ev.Record.(type) {
		case string:
			t.say(string(ev.Type), "writes", strings.TrimRight(r, "\n"))
		case json.RawMessage:
			t.say(string(ev.Type), "writes", string(r))
		case telemetry.Report:
			t.report(r)
		}
	}
}

func (t *timeline) report(r telemetry.Report) {
	for _, span := range r.Spans {
		if span.Name != telemetry.SpanExtensionOverhead {
			continue
		}
		took := span.DurationMs.Duration()
		t.mu.Lock()
		t.overhead = append(t.overhead, took)
		t.mu.Unlock()
		t.say("platform", "reports", fmt.Sprintf("%s: %.1f ms, of which extensions added %.1f ms", r.Status, float64(r.Metrics.DurationMs), milliseconds(took)))
	}
}

// shownPayload is how much of an answer is printed, in bytes.
const shownPayload = 100

func (t *timeline) answered(n int, took time.Duration, out *client.InvokeOutput) {
	text := string(bytes.ToValidUTF8(out.Payload[:min(len(out.Payload), shownPayload)], []byte("?")))
	if len(out.Payload) > shownPayload {
		text += " ..."
	}
	what := "answered"
	if out.FunctionError != "" {
		what = "failed"
		t.mu.Lock()
		t.failed++
		t.mu.Unlock()
	}
	t.say("", what, fmt.Sprintf("%d: %s in %.1f ms", n, text, milliseconds(took)))
}

// summary prints what it cost, and where the events are.
func (t *timeline) summary() {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintln(t.out)
	if n := len(t.overhead); n > 0 {
		slices.Sort(t.overhead)
		fmt.Fprintf(t.out, "%d invocations, %d failed; extensions added p50 %.1f ms, p99 %.1f ms\n", n, t.failed,
			milliseconds(measure.Percentile(t.overhead, 50)), milliseconds(measure.Percentile(t.overhead, 99)))
	}
	if n := len(t.posts); n > 0 {
		slices.Sort(t.posts)
		fmt.Fprintf(t.out, "%d batches of telemetry, answered in p50 %.1f ms, p99 %.1f ms\n", n,
			milliseconds(measure.Percentile(t.posts, 50)), milliseconds(measure.Percentile(t.posts, 99)))
	}
	for _, a := range t.accounts {
		fmt.Fprintf(t.out, "%s over %s: %d events published, %d delivered, %d dropped, %d left at the end\n",
			a.Extension, a.Protocol, a.Published, a.Delivered, a.Dropped, a.Left)
	}
}
