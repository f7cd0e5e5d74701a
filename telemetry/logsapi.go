package telemetry

import (
	"encoding/json"
	"fmt"
)

// The schema versions of the Logs API, the Telemetry API's predecessor. Its
// events are derived from those of the Telemetry API: see [Event.Forms].
const (
	LogsSchema20200815 Schema = "2020-08-15"
	LogsSchema20210318 Schema = "2021-03-18" // has platform.runtimeDone
)

// Logs tells whether the version is one of the Logs API.
func (s Schema) Logs() bool { return s == LogsSchema20200815 || s == LogsSchema20210318 }

// Types of events that only the Logs API has, from its reference.
const (
	TypeEnd              Type = "platform.end"
	TypeFault            Type = "platform.fault" // its record is a string
	TypeLogsSubscription Type = "platform.logsSubscription"
)

// ReasonBehind is the reason that the Logs API gives in platform.logsDropped.
const ReasonBehind = "Consumer seems to have fallen behind as it has not acknowledged receipt of logs."

// Records of the Logs API.
type (
	logsEnd struct {
		RequestID string `json:"requestId"`
	}
	logsRuntimeDone struct {
		RequestID string `json:"requestId"`
		Status    Status `json:"status"` // success, failure or timeout
	}
	logsReport struct {
		RequestID string            `json:"requestId"`
		Metrics   logsReportMetrics `json:"metrics"`
		Tracing   *Tracing          `json:"tracing,omitempty"`
	}
	logsReportMetrics struct {
		DurationMs       Millis  `json:"durationMs"`
		BilledDurationMs int64   `json:"billedDurationMs"`
		MemorySizeMB     int64   `json:"memorySizeMB"`
		MaxMemoryUsedMB  int64   `json:"maxMemoryUsedMB"`
		InitDurationMs   *Millis `json:"initDurationMs,omitempty"`
	}
)

// Forms returns the event as a reader of the schema has it, ready for
// [Event.Encode]. A schema of the Telemetry API has each event as it is. The Logs
// API has other events for some: the end of an invocation stands before its
// report, a runtime that died is a fault, and of an init phase it knows nothing.
func (e Event) Forms(s Schema) []Event {
	if !s.Logs() {
		return []Event{e}
	}
	as := func(t Type, record any) Event { return Event{Time: e.Time, Type: t, Record: record, Source: e.Source} }
	switch r := e.Record.(type) {
	case string:
		return []Event{e}
	case json.RawMessage:
		if e.Type.Category() == CategoryPlatform {
			return nil // unknown here, and to the Logs API
		}
		return []Event{as(e.Type, string(r))}
	case Start:
		return []Event{as(e.Type, Start{RequestID: r.RequestID, Version: r.Version})}
	case RuntimeDone:
		var forms []Event
		if s == LogsSchema20210318 {
			forms = append(forms, as(e.Type, logsRuntimeDone{r.RequestID, logsStatus(r.Status)}))
		}
		if fault := r.fault(); fault != "" {
			forms = append(forms, as(TypeFault, fault))
		}
		return forms
	case Report:
		return []Event{as(TypeEnd, logsEnd{r.RequestID}), as(e.Type, r.logs())}
	case Extension:
		r.ErrorType = ""
		return []Event{as(e.Type, r)}
	case TelemetrySubscription:
		return []Event{as(TypeLogsSubscription, r)}
	case LogsDropped:
		r.Reason = ReasonBehind
		return []Event{as(e.Type, r)}
	}
	return nil
}

// logsStatus has one word for whatever failed.
func logsStatus(s Status) Status {
	if s == StatusError {
		return StatusFailure
	}
	return s
}

// fault is what the Logs API says of a runtime that did not complete; "" if it did.
func (r RuntimeDone) fault() string {
	switch {
	case r.Status == StatusSuccess:
		return ""
	case r.Status == StatusTimeout && r.Metrics != nil:
		return fmt.Sprintf("RequestId: %s Task timed out after %.2f seconds", r.RequestID, r.Metrics.DurationMs.Duration().Seconds())
	case r.Status == StatusTimeout:
		return fmt.Sprintf("RequestId: %s Task timed out", r.RequestID)
	case r.ErrorType != "":
		return fmt.Sprintf("RequestId: %s Process exited before completing request\n%s", r.RequestID, r.ErrorType)
	}
	return fmt.Sprintf("RequestId: %s Process exited before completing request", r.RequestID)
}

func (r Report) logs() logsReport {
	m := r.Metrics
	out := logsReport{
		RequestID: r.RequestID,
		Metrics:   logsReportMetrics{m.DurationMs, m.BilledDurationMs, m.MemorySizeMB, m.MaxMemoryUsedMB, m.InitDurationMs},
	}
	if r.Tracing != nil {
		out.Tracing = &Tracing{Type: r.Tracing.Type, Value: r.Tracing.Value}
	}
	return out
}
