package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"
)

// timelineEntry is one line of what the sample extension wrote.
type timelineEntry struct {
	at     time.Time // when it happened, or, for a lifecycle event, when it arrived
	typ    string    // "platform.start", "function", "INVOKE", ...
	text   string    // a log line
	record timelineRecord
}

// timelineRecord holds the fields of all kinds of event that the demo shows.
type timelineRecord struct {
	RequestID      string   `json:"requestId"`
	Version        string   `json:"version"`
	Status         string   `json:"status"`
	ErrorType      string   `json:"errorType"`
	Name           string   `json:"name"`
	State          string   `json:"state"`
	Events         []string `json:"events"`
	Types          []string `json:"types"`
	ShutdownReason string   `json:"shutdownReason"`
	Metrics        struct {
		DurationMs       float64 `json:"durationMs"`
		BilledDurationMs int64   `json:"billedDurationMs"`
		MaxMemoryUsedMB  int64   `json:"maxMemoryUsedMB"`
		InitDurationMs   float64 `json:"initDurationMs"`
		ProducedBytes    int64   `json:"producedBytes"`
	} `json:"metrics"`
}

// readTimeline reads what the extension has written so far; a line that it is
// writing at this moment is left out.
func readTimeline(path string) ([]timelineEntry, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var entries []timelineEntry
	for line := range bytes.Lines(raw) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break
		}
		entry, err := parseTimelineEntry(line)
		if err != nil {
			return nil, fmt.Errorf("what the extension wrote: %q: %w", line, err)
		}
		entries = append(entries, entry)
	}
	slices.SortStableFunc(entries, func(a, b timelineEntry) int { return a.at.Compare(b.at) })
	return entries, nil
}

func parseTimelineEntry(line []byte) (entry timelineEntry, err error) {
	var written struct {
		Kind       string          `json:"kind"`
		ReceivedAt time.Time       `json:"receivedAt"`
		Data       json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(line, &written); err != nil {
		return entry, err
	}
	if written.Kind == "event" {
		var event struct {
			EventType string `json:"eventType"`
			timelineRecord
		}
		err := json.Unmarshal(written.Data, &event)
		return timelineEntry{at: written.ReceivedAt, typ: event.EventType, record: event.timelineRecord}, err
	}
	var event struct {
		Time   time.Time       `json:"time"`
		Type   string          `json:"type"`
		Record json.RawMessage `json:"record"`
	}
	if err := json.Unmarshal(written.Data, &event); err != nil {
		return entry, err
	}
	entry = timelineEntry{at: event.Time, typ: event.Type}
	if strings.HasPrefix(event.Type, "platform.") {
		return entry, json.Unmarshal(event.Record, &entry.record)
	}
	return entry, json.Unmarshal(event.Record, &entry.text)
}

// showTimeline prints what the extension received, from the environment's birth
// to its reset by the timeout.
func (d *demo) showTimeline(context.Context) error {
	entries, err := readTimeline(d.timeline)
	if err != nil {
		return err
	}
	if len(entries) == 0 {
		return errors.New("the extension received nothing")
	}
	fmt.Fprintln(d.app.Stdout, "\nWhat the extension received (ms since the environment's init began)")
	for _, e := range entries {
		fmt.Fprintf(d.app.Stdout, "%s %s\n", e.offset(entries[0].at), strings.TrimRight(fmt.Sprintf("%-22s %s", strings.TrimPrefix(e.typ, "platform."), e.describe()), " "))
	}
	fmt.Fprintln(d.app.Stdout)
	return nil
}

func (e timelineEntry) offset(start time.Time) string {
	return fmt.Sprintf("  %7.0f", milliseconds(e.at.Sub(start)))
}

// describe says in a few words what a person would want to know of the event.
func (e timelineEntry) describe() string {
	r, m := e.record, e.record.Metrics
	switch e.typ {
	case "function", "extension":
		return strings.TrimRight(e.text, "\n")
	case "INVOKE":
		return "request " + short(r.RequestID)
	case "SHUTDOWN":
		return "because of " + r.ShutdownReason
	case "platform.telemetrySubscription":
		return fmt.Sprintf("%s: %s to %s", r.Name, r.State, strings.Join(r.Types, ", "))
	case "platform.extension":
		return fmt.Sprintf("%s: %s for %s", r.Name, r.State, strings.Join(r.Events, ", "))
	case "platform.initRuntimeDone":
		return status(r)
	case "platform.initReport":
		return fmt.Sprintf("%s, %.1f ms", status(r), m.DurationMs)
	case "platform.start":
		return fmt.Sprintf("request %s, version %s", short(r.RequestID), r.Version)
	case "platform.runtimeDone":
		return fmt.Sprintf("%s, %.1f ms, %d bytes", status(r), m.DurationMs, m.ProducedBytes)
	case "platform.report":
		text := fmt.Sprintf("%s, %.1f ms, billed %d ms, %d MB", status(r), m.DurationMs, m.BilledDurationMs, m.MaxMemoryUsedMB)
		if m.InitDurationMs > 0 {
			text += fmt.Sprintf(", init %.1f ms", m.InitDurationMs)
		}
		return text
	}
	return ""
}

func status(r timelineRecord) string {
	if r.ErrorType != "" {
		return r.Status + " (" + r.ErrorType + ")"
	}
	return r.Status
}

// short is enough of a request id to tell a few apart.
func short(id string) string { return id[:min(8, len(id))] }
