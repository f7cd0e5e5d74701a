package telemetry

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Schema is a version of the Telemetry API's event schema.
type Schema string

// The schema versions of the Telemetry API. The records of this package hold
// the fields of the newest; an older schema leaves some out.
const (
	Schema20220701 Schema = "2022-07-01"
	Schema20221213 Schema = "2022-12-13"
	Schema20250129 Schema = "2025-01-29"
)

// Valid tells whether there is such a version.
func (s Schema) Valid() bool {
	return s == Schema20220701 || s == Schema20221213 || s == Schema20250129
}

// versioned is a record whose fields depend on the schema. in returns a copy
// with the fields that the schema has.
type versioned interface{ in(s Schema) any }

// Encode writes the event as JSON, without a line break, in the given schema.
func (e Event) Encode(s Schema) ([]byte, error) { return e.append(nil, s, nil) }

// EncodeFrom is Encode with the source of the event beside its record, for a reader
// of many environments: environmentId, functionArn and functionVersion, which are
// Lambent's own. An event of no known source has none.
func (e Event) EncodeFrom(s Schema) ([]byte, error) { return e.append(nil, s, e.Source) }

// origin is a source as an event's JSON tells it.
type origin struct {
	EnvironmentID   string `json:"environmentId,omitempty"`
	FunctionARN     string `json:"functionArn,omitempty"`
	FunctionVersion string `json:"functionVersion,omitempty"`
}

func (r InitStart) in(s Schema) any {
	if s == Schema20220701 {
		r.FunctionName, r.FunctionVersion, r.InstanceID, r.InstanceMaxMemory, r.Tracing = "", "", "", 0, nil
	}
	return r
}

func (r InitRuntimeDone) in(s Schema) any {
	if s == Schema20220701 {
		r.Tracing = nil
	}
	return r
}

func (r InitReport) in(s Schema) any {
	if s == Schema20220701 {
		r.Status, r.ErrorType, r.Tracing = "", "", nil
	}
	return r
}

func (r RestoreStart) in(s Schema) any {
	if s == Schema20220701 {
		r.FunctionName, r.FunctionVersion, r.InstanceID, r.InstanceMaxMemory, r.Tracing = "", "", "", 0, nil
	}
	return r
}

func (r RestoreRuntimeDone) in(s Schema) any {
	if s == Schema20220701 {
		r.Status, r.Tracing = "", nil
	}
	return r
}

func (r RestoreReport) in(s Schema) any {
	if s == Schema20220701 {
		r.Status, r.Tracing = "", nil
	}
	return r
}

func (r Start) in(s Schema) any {
	if s != Schema20250129 {
		r.TenantID, r.FunctionARN = "", ""
	}
	return r
}

func (r RuntimeDone) in(s Schema) any {
	if s != Schema20250129 {
		r.TenantID = ""
	}
	return r
}

func (r Report) in(s Schema) any {
	if s != Schema20250129 {
		r.TenantID = ""
	}
	if s == Schema20220701 {
		r.Metrics.BilledRestoreDurationMs = nil
	}
	return r
}

func (r Extension) in(s Schema) any {
	if s == Schema20220701 {
		r.ErrorType = ""
	}
	if r.Events == nil {
		r.Events = []string{} // a list even when it is empty
	}
	return r
}

// UnmarshalJSON reads an event of any schema version. The record becomes the
// struct of its type (by value), a string for a line of text, and a
// json.RawMessage for an object in a log record or for a type that this package
// does not know: a newer platform must not break an older reader.
func (e *Event) UnmarshalJSON(b []byte) error {
	var in struct {
		Time   *time.Time      `json:"time"`
		Type   Type            `json:"type"`
		Record json.RawMessage `json:"record"`
		origin
	}
	if err := json.Unmarshal(b, &in); err != nil {
		return fmt.Errorf("telemetry event: %w", err)
	}
	switch {
	case in.Time == nil:
		return errors.New("telemetry event: time is missing")
	case in.Type == "":
		return errors.New("telemetry event: type is missing")
	case len(in.Record) == 0:
		return errors.New("telemetry event: record is missing")
	case !writable(*in.Time):
		return errors.New("telemetry event: time is out of range")
	}
	record, err := decodeRecord(in.Type, in.Record)
	if err != nil {
		return fmt.Errorf("telemetry event %s: record: %w", in.Type, err)
	}
	*e = Event{Time: *in.Time, Type: in.Type, Record: record}
	if in.origin != (origin{}) {
		e.Source = &Source{EnvironmentID: in.EnvironmentID, FunctionARN: in.FunctionARN, FunctionVersion: in.FunctionVersion}
	}
	return nil
}

// writable tells whether RFC 3339 can write the time in UTC.
func writable(t time.Time) bool {
	year := t.UTC().Year()
	return year >= 0 && year <= 9999
}

var recordDecoders = map[Type]func(json.RawMessage) (any, error){
	TypeInitStart:             decodeAs[InitStart],
	TypeInitRuntimeDone:       decodeAs[InitRuntimeDone],
	TypeInitReport:            decodeAs[InitReport],
	TypeRestoreStart:          decodeAs[RestoreStart],
	TypeRestoreRuntimeDone:    decodeAs[RestoreRuntimeDone],
	TypeRestoreReport:         decodeAs[RestoreReport],
	TypeStart:                 decodeAs[Start],
	TypeRuntimeDone:           decodeAs[RuntimeDone],
	TypeReport:                decodeAs[Report],
	TypeExtensionState:        decodeAs[Extension],
	TypeTelemetrySubscription: decodeAs[TelemetrySubscription],
	TypeLogsDropped:           decodeAs[LogsDropped],
}

func decodeRecord(t Type, raw json.RawMessage) (any, error) {
	if decode, ok := recordDecoders[t]; ok {
		return decode(raw)
	}
	if raw[0] == '"' {
		return decodeAs[string](raw)
	}
	return raw, nil
}

func decodeAs[T any](raw json.RawMessage) (any, error) {
	var record T
	if err := json.Unmarshal(raw, &record); err != nil {
		return nil, err
	}
	return record, nil
}
