package telemetry

import (
	"encoding/json"
	"errors"
	"time"
)

// Status is how a phase ended. A handler that returned an error is a success:
// the runtime did its job (Telemetry API event schema reference).
type Status string

// The statuses of the Telemetry API.
const (
	StatusSuccess Status = "success"
	StatusFailure Status = "failure" // the platform's fault
	StatusError   Status = "error"   // the runtime or an extension died
	StatusTimeout Status = "timeout"
)

// Phase is when an initialisation ran.
type Phase string

// PhaseInvoke is an init that was repeated inside the first invocation.
const (
	PhaseInit   Phase = "init"
	PhaseInvoke Phase = "invoke"
)

// InitializationType is how an environment came to be.
type InitializationType string

// The initialization types of the Telemetry API.
const (
	OnDemand               InitializationType = "on-demand"
	ProvisionedConcurrency InitializationType = "provisioned-concurrency"
	SnapStart              InitializationType = "snap-start"
)

// TracingType is the only type of [Tracing] there is.
const TracingType = "X-Amzn-Trace-Id"

// Tracing is the trace context of an event.
type Tracing struct {
	Type   string `json:"type"` // TracingType
	Value  string `json:"value"`
	SpanID string `json:"spanId,omitempty"`
}

// Names of spans that Lambda reports.
const (
	SpanResponseLatency   = "responseLatency"
	SpanResponseDuration  = "responseDuration"
	SpanRuntimeOverhead   = "runtimeOverhead"
	SpanExtensionOverhead = "extensionOverhead"
)

// Span is a part of a phase.
type Span struct {
	Name       string    `json:"name"`
	Start      time.Time `json:"start"`
	DurationMs Millis    `json:"durationMs"`
}

// MarshalJSON writes the start as the Telemetry API does.
func (s Span) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Name       string `json:"name"`
		Start      string `json:"start"`
		DurationMs Millis `json:"durationMs"`
	}{s.Name, FormatTime(s.Start), s.DurationMs})
}

// UnmarshalJSON reads a span whose start can be written again.
func (s *Span) UnmarshalJSON(b []byte) error {
	type plain Span
	if err := json.Unmarshal(b, (*plain)(s)); err != nil {
		return err
	}
	if !writable(s.Start) {
		return errors.New("span: start is out of range")
	}
	return nil
}

// InitStart is the record of platform.initStart.
type InitStart struct {
	InitializationType InitializationType `json:"initializationType"`
	Phase              Phase              `json:"phase"`
	FunctionName       string             `json:"functionName,omitempty"`
	FunctionVersion    string             `json:"functionVersion,omitempty"`
	InstanceID         string             `json:"instanceId,omitempty"`
	InstanceMaxMemory  int64              `json:"instanceMaxMemory,omitempty"` // bytes
	RuntimeVersion     string             `json:"runtimeVersion,omitempty"`
	RuntimeVersionARN  string             `json:"runtimeVersionArn,omitempty"`
	Tracing            *Tracing           `json:"tracing,omitempty"`
}

// InitRuntimeDone is the record of platform.initRuntimeDone.
type InitRuntimeDone struct {
	InitializationType InitializationType `json:"initializationType"`
	Phase              Phase              `json:"phase"`
	Status             Status             `json:"status"`
	ErrorType          string             `json:"errorType,omitempty"`
	Spans              []Span             `json:"spans,omitempty"`
	Tracing            *Tracing           `json:"tracing,omitempty"`
}

// InitReport is the record of platform.initReport.
type InitReport struct {
	InitializationType InitializationType `json:"initializationType"`
	Phase              Phase              `json:"phase"`
	Status             Status             `json:"status,omitempty"`
	ErrorType          string             `json:"errorType,omitempty"`
	Metrics            InitMetrics        `json:"metrics"`
	Spans              []Span             `json:"spans,omitempty"`
	Tracing            *Tracing           `json:"tracing,omitempty"`
}

// InitMetrics is what an init took.
type InitMetrics struct {
	DurationMs Millis `json:"durationMs"`
}

// RestoreStart is the record of platform.restoreStart.
type RestoreStart struct {
	FunctionName      string   `json:"functionName,omitempty"`
	FunctionVersion   string   `json:"functionVersion,omitempty"`
	InstanceID        string   `json:"instanceId,omitempty"`
	InstanceMaxMemory int64    `json:"instanceMaxMemory,omitempty"` // bytes
	RuntimeVersion    string   `json:"runtimeVersion,omitempty"`
	RuntimeVersionARN string   `json:"runtimeVersionArn,omitempty"`
	Tracing           *Tracing `json:"tracing,omitempty"`
}

// RestoreRuntimeDone is the record of platform.restoreRuntimeDone.
type RestoreRuntimeDone struct {
	Status    Status   `json:"status,omitempty"`
	ErrorType string   `json:"errorType,omitempty"`
	Spans     []Span   `json:"spans,omitempty"`
	Tracing   *Tracing `json:"tracing,omitempty"`
}

// RestoreReport is the record of platform.restoreReport.
type RestoreReport struct {
	Status    Status         `json:"status,omitempty"`
	ErrorType string         `json:"errorType,omitempty"`
	Metrics   RestoreMetrics `json:"metrics"`
	Spans     []Span         `json:"spans,omitempty"`
	Tracing   *Tracing       `json:"tracing,omitempty"`
}

// RestoreMetrics is what a restore took.
type RestoreMetrics struct {
	DurationMs Millis `json:"durationMs"`
}

// Start is the record of platform.start.
type Start struct {
	RequestID   string   `json:"requestId"`
	Version     string   `json:"version,omitempty"`
	Tracing     *Tracing `json:"tracing,omitempty"`
	TenantID    string   `json:"tenantId,omitempty"`    // schema 2025-01-29
	FunctionARN string   `json:"functionArn,omitempty"` // schema 2025-01-29
}

// RuntimeDone is the record of platform.runtimeDone.
type RuntimeDone struct {
	RequestID string              `json:"requestId"`
	Status    Status              `json:"status"`
	ErrorType string              `json:"errorType,omitempty"`
	Metrics   *RuntimeDoneMetrics `json:"metrics,omitempty"`
	Spans     []Span              `json:"spans,omitempty"`
	Tracing   *Tracing            `json:"tracing,omitempty"`
	TenantID  string              `json:"tenantId,omitempty"` // schema 2025-01-29
}

// RuntimeDoneMetrics is what the function's part of an invocation took.
type RuntimeDoneMetrics struct {
	DurationMs    Millis `json:"durationMs"`
	ProducedBytes int64  `json:"producedBytes"`
}

// Report is the record of platform.report.
type Report struct {
	RequestID string        `json:"requestId"`
	Status    Status        `json:"status,omitempty"`
	ErrorType string        `json:"errorType,omitempty"`
	Metrics   ReportMetrics `json:"metrics"`
	Spans     []Span        `json:"spans,omitempty"`
	Tracing   *Tracing      `json:"tracing,omitempty"`
	TenantID  string        `json:"tenantId,omitempty"` // schema 2025-01-29
}

// ReportMetrics is what an invocation took and what is billed for it.
type ReportMetrics struct {
	DurationMs              Millis  `json:"durationMs"`
	BilledDurationMs        int64   `json:"billedDurationMs"`
	MemorySizeMB            int64   `json:"memorySizeMB"`
	MaxMemoryUsedMB         int64   `json:"maxMemoryUsedMB"`
	InitDurationMs          *Millis `json:"initDurationMs,omitempty"`
	RestoreDurationMs       *Millis `json:"restoreDurationMs,omitempty"`
	BilledRestoreDurationMs *int64  `json:"billedRestoreDurationMs,omitempty"`
	// CPUTimeMs is Lambent's own: the CPU time of the invocation, by the clock of
	// the thread that ran it. Lambda's schemas do not have it.
	CPUTimeMs Millis `json:"cpuTimeMs,omitempty"`
}

// Extension is the record of platform.extension.
type Extension struct {
	Name      string   `json:"name"`
	State     string   `json:"state"`  // "Ready", or how far it came
	Events    []string `json:"events"` // what it registered for
	ErrorType string   `json:"errorType,omitempty"`
}

// TelemetrySubscription is the record of platform.telemetrySubscription.
type TelemetrySubscription struct {
	Name  string     `json:"name"`
	State string     `json:"state"` // "Subscribed" or "Already subscribed"
	Types []Category `json:"types"`
}

// LogsDropped is the record of platform.logsDropped.
type LogsDropped struct {
	Reason         string `json:"reason"`
	DroppedRecords int64  `json:"droppedRecords"`
	DroppedBytes   int64  `json:"droppedBytes"` // of the records, without their envelopes: approximate
}

// ReasonSlowConsumer is the reason Lambda gives in platform.logsDropped.
const ReasonSlowConsumer = "Some logs were dropped because the downstream consumer is slower than the logs production rate"
