package lambdaapi

import "time"

// FunctionConfiguration describes a function or one of its versions. Answers of
// list operations leave out the states.
type FunctionConfiguration struct {
	FunctionName               string                `json:"FunctionName"`
	FunctionArn                string                `json:"FunctionArn"`
	Runtime                    string                `json:"Runtime,omitempty"`
	Role                       string                `json:"Role"`
	Handler                    string                `json:"Handler,omitempty"`
	CodeSize                   int64                 `json:"CodeSize"`
	Description                string                `json:"Description"`
	Timeout                    int                   `json:"Timeout"`    // seconds
	MemorySize                 int                   `json:"MemorySize"` // MB
	LastModified               string                `json:"LastModified"`
	CodeSha256                 string                `json:"CodeSha256"` // base64
	Version                    string                `json:"Version"`
	DeadLetterConfig           *DeadLetterConfig     `json:"DeadLetterConfig,omitempty"`
	Environment                *Environment          `json:"Environment,omitempty"`
	KMSKeyArn                  string                `json:"KMSKeyArn,omitempty"`
	TracingConfig              *TracingConfig        `json:"TracingConfig,omitempty"`
	RevisionID                 string                `json:"RevisionId"`
	Layers                     []Layer               `json:"Layers,omitempty"`
	State                      string                `json:"State,omitempty"`
	StateReason                string                `json:"StateReason,omitempty"`
	StateReasonCode            string                `json:"StateReasonCode,omitempty"`
	LastUpdateStatus           string                `json:"LastUpdateStatus,omitempty"`
	LastUpdateStatusReason     string                `json:"LastUpdateStatusReason,omitempty"`
	LastUpdateStatusReasonCode string                `json:"LastUpdateStatusReasonCode,omitempty"`
	PackageType                string                `json:"PackageType"`
	Architectures              []string              `json:"Architectures"`
	EphemeralStorage           *EphemeralStorage     `json:"EphemeralStorage,omitempty"`
	SnapStart                  *SnapStart            `json:"SnapStart,omitempty"`
	RuntimeVersionConfig       *RuntimeVersionConfig `json:"RuntimeVersionConfig,omitempty"`
	LoggingConfig              *LoggingConfig        `json:"LoggingConfig,omitempty"`
}

// Environment holds a function's own variables.
type Environment struct {
	Variables map[string]string `json:"Variables"`
}

// DeadLetterConfig names where events go that could not be processed.
type DeadLetterConfig struct {
	TargetArn string `json:"TargetArn"`
}

// TracingConfig is Mode Active or PassThrough.
type TracingConfig struct {
	Mode string `json:"Mode"`
}

// EphemeralStorage is the size of /tmp in MB.
type EphemeralStorage struct {
	Size int `json:"Size"`
}

// SnapStart says when environments start from a snapshot.
type SnapStart struct {
	ApplyOn            string `json:"ApplyOn"`
	OptimizationStatus string `json:"OptimizationStatus,omitempty"` // answers only
}

// RuntimeVersionConfig names the exact runtime.
type RuntimeVersionConfig struct {
	RuntimeVersionArn string `json:"RuntimeVersionArn"`
}

// LoggingConfig is the form of a function's log and where it goes.
type LoggingConfig struct {
	LogFormat           string `json:"LogFormat,omitempty"`
	ApplicationLogLevel string `json:"ApplicationLogLevel,omitempty"`
	SystemLogLevel      string `json:"SystemLogLevel,omitempty"`
	LogGroup            string `json:"LogGroup,omitempty"`
}

// Layer is a layer as answers tell it.
type Layer struct {
	Arn      string `json:"Arn"`
	CodeSize int64  `json:"CodeSize"`
}

// GetFunctionResponse is the answer of GetFunction.
type GetFunctionResponse struct {
	Configuration *FunctionConfiguration `json:"Configuration"`
	Code          CodeLocation           `json:"Code"`
	Tags          map[string]string      `json:"Tags,omitempty"`
}

// CodeLocation is where the package can be downloaded.
type CodeLocation struct {
	RepositoryType string `json:"RepositoryType"`
	Location       string `json:"Location"`
}

// ListFunctionsResponse is one page of ListFunctions.
type ListFunctionsResponse struct {
	NextMarker string                   `json:"NextMarker,omitempty"`
	Functions  []*FunctionConfiguration `json:"Functions"`
}

// ListVersionsResponse is one page of ListVersionsByFunction.
type ListVersionsResponse struct {
	NextMarker string                   `json:"NextMarker,omitempty"`
	Versions   []*FunctionConfiguration `json:"Versions"`
}

// CodeSigningResponse answers GetFunctionCodeSigningConfig; the ARN is empty,
// code is not signed here.
type CodeSigningResponse struct {
	CodeSigningConfigArn string `json:"CodeSigningConfigArn"`
	FunctionName         string `json:"FunctionName"`
}

// ConcurrencyResponse answers GetFunctionConcurrency; empty when nothing is reserved.
type ConcurrencyResponse struct {
	ReservedConcurrentExecutions *int `json:"ReservedConcurrentExecutions,omitempty"`
}

// FormatTime writes a time as LastModified of functions has it.
func FormatTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000-0700") }
