package lambdaapi

// CreateFunctionRequest is the request of CreateFunction. Pointers tell absent
// from empty. Members of the API that mean nothing here are left out, except
// those that a user must be told about, see Unsupported.
type CreateFunctionRequest struct {
	FunctionName  *string           `json:"FunctionName"`
	Role          *string           `json:"Role"`
	Code          *FunctionCode     `json:"Code"`
	Publish       bool              `json:"Publish,omitempty"`
	PackageType   *string           `json:"PackageType,omitempty"`
	Tags          map[string]string `json:"Tags,omitempty"`
	Architectures []string          `json:"Architectures,omitempty"`
	FunctionSettings
	Unsupported
	CodeSigningConfigArn string `json:"CodeSigningConfigArn,omitempty"`
}

// FunctionSettings are the members that CreateFunction and
// UpdateFunctionConfiguration share; nil means not given.
type FunctionSettings struct {
	Runtime          *string           `json:"Runtime,omitempty"`
	Handler          *string           `json:"Handler,omitempty"`
	Description      *string           `json:"Description,omitempty"`
	Timeout          *int              `json:"Timeout,omitempty"`    // seconds
	MemorySize       *int              `json:"MemorySize,omitempty"` // MB
	Environment      *Environment      `json:"Environment,omitempty"`
	DeadLetterConfig *DeadLetterConfig `json:"DeadLetterConfig,omitempty"`
	KMSKeyArn        *string           `json:"KMSKeyArn,omitempty"`
	TracingConfig    *TracingConfig    `json:"TracingConfig,omitempty"`
	EphemeralStorage *EphemeralStorage `json:"EphemeralStorage,omitempty"`
	SnapStart        *SnapStart        `json:"SnapStart,omitempty"`
	LoggingConfig    *LoggingConfig    `json:"LoggingConfig,omitempty"`
	Layers           *[]string         `json:"Layers,omitempty"`
}

// FunctionCode carries the package. There is no object store and no registry
// here, so only ZipFile can be followed.
type FunctionCode struct {
	ZipFile  Blob   `json:"ZipFile,omitempty"`
	S3Bucket string `json:"S3Bucket,omitempty"`
	S3Key    string `json:"S3Key,omitempty"`
	ImageURI string `json:"ImageUri,omitempty"`
}

// UpdateFunctionCodeRequest is the request of UpdateFunctionCode.
type UpdateFunctionCodeRequest struct {
	FunctionCode
	Publish       bool     `json:"Publish,omitempty"`
	DryRun        bool     `json:"DryRun,omitempty"`
	RevisionID    string   `json:"RevisionId,omitempty"`
	Architectures []string `json:"Architectures,omitempty"`
}

// UpdateFunctionConfigurationRequest is the request of UpdateFunctionConfiguration.
type UpdateFunctionConfigurationRequest struct {
	Role *string `json:"Role,omitempty"`
	FunctionSettings
	Unsupported
	RevisionID string `json:"RevisionId,omitempty"`
}

// PublishVersionRequest is the request of PublishVersion.
type PublishVersionRequest struct {
	CodeSha256  string  `json:"CodeSha256,omitempty"`
	Description *string `json:"Description,omitempty"`
	RevisionID  string  `json:"RevisionId,omitempty"`
}

// Unsupported are members that change what a function can reach or how it runs.
// Dropping them silently would give the user something else than was asked for,
// so they are refused when they say anything.
type Unsupported struct {
	VpcConfig              *VpcConfig     `json:"VpcConfig,omitempty"`
	FileSystemConfigs      []any          `json:"FileSystemConfigs,omitempty"`
	ImageConfig            map[string]any `json:"ImageConfig,omitempty"`
	CapacityProviderConfig map[string]any `json:"CapacityProviderConfig,omitempty"`
	DurableConfig          map[string]any `json:"DurableConfig,omitempty"`
	TenancyConfig          map[string]any `json:"TenancyConfig,omitempty"`
}

// VpcConfig would place a function in a network.
type VpcConfig struct {
	SubnetIDs        []string `json:"SubnetIds,omitempty"`
	SecurityGroupIDs []string `json:"SecurityGroupIds,omitempty"`
}
