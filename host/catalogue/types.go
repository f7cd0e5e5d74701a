package catalogue

import (
	"maps"
	"slices"
	"time"
)

// Latest is the qualifier of the unpublished version.
const Latest = "$LATEST"

// States of a function or a published version (Version.State).
const (
	StatePending = "Pending"
	StateActive  = "Active"
	StateFailed  = "Failed"
)

// SnapStartPublished is the value of Settings.SnapStartApplyOn that asks for
// snapshots; the other is None.
const SnapStartPublished = "PublishedVersions"

// Values of Version.LastUpdateStatus; empty while a function is being created.
const (
	UpdateInProgress = "InProgress"
	UpdateSuccessful = "Successful"
	UpdateFailed     = "Failed"
)

// Reason of both states while code is being compiled, as the service words it.
const (
	reasonCreating     = "The function is being created."
	reasonCodeCreating = "Creating"
)

// Settings are what a user configures. The JSON form is how they are stored.
type Settings struct {
	Runtime     string `json:"runtime,omitempty"`
	Role        string `json:"role,omitempty"`
	Handler     string `json:"handler,omitempty"`
	Description string `json:"description,omitempty"`
	// MemorySize is in MB (2^20 bytes), 128 to 10240.
	MemorySize int `json:"memory_mb"`
	// Timeout is in seconds, 1 to 900.
	Timeout int `json:"timeout_s"`
	// EphemeralStorage is the size of /tmp in MB, 512 to 10240.
	EphemeralStorage int `json:"tmp_mb"`
	// Environment holds the user's variables; at most 4 KB as JSON.
	Environment      map[string]string `json:"environment,omitempty"`
	Architectures    []string          `json:"architectures,omitempty"`
	Layers           []string          `json:"layers,omitempty"`
	TracingMode      string            `json:"tracing_mode,omitempty"`
	SnapStartApplyOn string            `json:"snap_start,omitempty"`
	KMSKeyARN        string            `json:"kms_key_arn,omitempty"`
	DeadLetterTarget string            `json:"dead_letter_target,omitempty"`
	Logging          Logging           `json:"logging"`
}

// Logging says what a function's log looks like and where it goes.
type Logging struct {
	// Format is Text or JSON; the levels are used with JSON only.
	Format           string `json:"format,omitempty"`
	ApplicationLevel string `json:"application_level,omitempty"`
	SystemLevel      string `json:"system_level,omitempty"`
	Group            string `json:"group,omitempty"`
}

// Version is $LATEST or a published version with everything known about it.
type Version struct {
	FunctionName string `json:"function_name"`
	// Version is "$LATEST" or a number.
	Version string `json:"version"`
	// FunctionARN has no qualifier; see QualifiedARN.
	FunctionARN string `json:"function_arn"`
	Settings
	// CodeSHA256 is the base64 digest of the upload, CodeDigest the same in hex
	// and the argument of Catalogue.Code, CodeSize its length in bytes.
	CodeSHA256   string    `json:"code_sha256"`
	CodeDigest   string    `json:"code_digest"`
	CodeSize     int64     `json:"code_size"`
	LastModified time.Time `json:"last_modified"`
	// RevisionID changes with every change, a change of state included.
	RevisionID string `json:"revision_id"`

	State                      string `json:"state"`
	StateReason                string `json:"state_reason,omitempty"`
	StateReasonCode            string `json:"state_reason_code,omitempty"`
	LastUpdateStatus           string `json:"update_status,omitempty"`
	LastUpdateStatusReason     string `json:"update_reason,omitempty"`
	LastUpdateStatusReasonCode string `json:"update_reason_code,omitempty"`

	// Snapshot is what publishing found out; it is written by Settle.
	Snapshot SnapshotState `json:"snapshot,omitzero"`
}

// SnapshotState tells whether a version that asked for SnapStart has it.
type SnapshotState struct {
	// Ready tells that its environments are restored from a snapshot.
	Ready bool `json:"ready,omitempty"`
	// Refused is why a snapshot could not be made of it although its init went
	// well; it runs without one.
	Refused string `json:"refused,omitempty"`
}

// QualifiedARN is the ARN with the version at its end.
func (v Version) QualifiedARN() string { return v.FunctionARN + ":" + v.Version }

// unsettled tells whether the version waits for Settle.
func (v *Version) unsettled() bool {
	return v.State == StatePending || v.LastUpdateStatus == UpdateInProgress
}

// AsksForSnapshot tells whether the version is one that SnapStart applies to: a
// published one of a function that has it on. $LATEST never is.
func (v *Version) AsksForSnapshot() bool {
	return v.Version != Latest && v.SnapStartApplyOn == SnapStartPublished
}

// clone copies what a caller could change.
func (v *Version) clone() Version {
	w := *v
	w.Settings = v.Settings.clone()
	return w
}

func (s Settings) clone() Settings {
	s.Environment = maps.Clone(s.Environment)
	s.Architectures = slices.Clone(s.Architectures)
	s.Layers = slices.Clone(s.Layers)
	return s
}

// Alias is a name for a version, or for two with a weight.
type Alias struct {
	FunctionName string `json:"function_name"`
	Name         string `json:"name"`
	ARN          string `json:"arn"`
	Version      string `json:"version"`
	Description  string `json:"description,omitempty"`
	RevisionID   string `json:"revision_id"`
	// Weights gives another version the share (0 to 1) of invocations that does
	// not go to Version; at most one entry.
	Weights map[string]float64 `json:"weights,omitempty"`
}

func (a Alias) clone() Alias {
	a.Weights = maps.Clone(a.Weights)
	return a
}

// CreateInput asks for a new function.
type CreateInput struct {
	Name string
	// Settings may be left zero where the service has a default.
	Settings
	// Code is the upload, see package deployment. It must not change afterwards.
	Code    []byte
	Tags    map[string]string
	Publish bool
}

// UpdateCodeInput asks for new code.
type UpdateCodeInput struct {
	Code          []byte
	Architectures []string // empty: as they were
	Publish       bool
	// DryRun checks everything, changes nothing, and answers with what would be.
	DryRun bool
	// RevisionID, when set, must be that of $LATEST.
	RevisionID string
}

// SettingsPatch asks for new settings; nil fields stay as they are.
type SettingsPatch struct {
	Runtime, Role, Handler, Description   *string
	MemorySize, Timeout, EphemeralStorage *int
	Environment                           *map[string]string
	Layers                                *[]string
	TracingMode, SnapStartApplyOn         *string
	KMSKeyARN, DeadLetterTarget           *string
	Logging                               *Logging // replaced as a whole
	// RevisionID, when set, must be that of $LATEST.
	RevisionID string
}

// PublishInput asks for a version to be made of $LATEST.
type PublishInput struct {
	// CodeSHA256, when set, must be that of $LATEST.
	CodeSHA256 string
	// Description, when set, replaces that of $LATEST in the version.
	Description string
	// RevisionID, when set, must be that of $LATEST.
	RevisionID string
}

// AliasInput asks for a new alias.
type AliasInput struct {
	Name, Version, Description string
	Weights                    map[string]float64
}

// AliasPatch changes an alias; nil fields stay as they are.
type AliasPatch struct {
	Version, Description *string
	Weights              *map[string]float64
	// RevisionID, when set, must be that of the alias.
	RevisionID string
}

// Failure is why a version could not be made ready; both fields go to the user.
type Failure struct {
	Code, Reason string
}
