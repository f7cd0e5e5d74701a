package lambdaapi

import (
	"fmt"
	"regexp"
	"strings"
)

// Patterns and lengths of the API model.
const (
	rolePattern     = `arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+`
	handlerPattern  = `[^\s]+`
	resourcePattern = `(arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()`
	logGroupPattern = `[\.\-_/#A-Za-z0-9]+`

	maxHandler     = 128
	maxDescription = 256
	maxLogGroup    = 512
	maxShortText   = 1024
	maxTimeout     = 900 // seconds
	minMemory      = 128 // MB
	maxMemory      = 10240
	minStorage     = 512 // MB
	maxStorage     = 10240
)

var (
	roleRegexp     = whole(rolePattern)
	handlerRegexp  = whole(handlerPattern)
	resourceRegexp = whole(resourcePattern)
	logGroupRegexp = whole(logGroupPattern)
)

// Validate holds the request against the API model: first every constraint at
// once (ValidationException), then what the service checks one by one. The name
// may be an ARN; ParseManagedName reads it.
func (r *CreateFunctionRequest) Validate() error {
	var v Violations
	if r.FunctionName == nil {
		v.Missing("functionName")
	}
	if r.Code == nil {
		v.Missing("code")
	}
	required(&v, "role", r.Role, checkRole)
	if r.PackageType != nil {
		v.OneOf("packageType", *r.PackageType, "Zip", "Image")
	}
	checkArchitectures(&v, r.Architectures)
	r.check(&v)
	if err := v.Err(); err != nil {
		return err
	}
	if r.PackageType != nil && *r.PackageType == "Image" || r.Code.ImageURI != "" {
		return Errorf(CodeInvalidParameter, "PackageType Image is not supported by this host: upload a zip archive or a WebAssembly module.")
	}
	if r.Runtime == nil || r.Handler == nil {
		return Errorf(CodeInvalidParameter, "Runtime and Handler are mandatory parameters for functions created with deployment packages.")
	}
	if r.CodeSigningConfigArn != "" {
		return Errorf(CodeCodeSigningNotFound, "The code signing configuration cannot be found. Check that the provided configuration is not deleted: %s.", r.CodeSigningConfigArn)
	}
	if err := r.FunctionSettings.refuse(); err != nil {
		return err
	}
	if err := r.Unsupported.refuse(); err != nil {
		return err
	}
	return r.Code.check()
}

// Validate holds the request against the API model, as CreateFunctionRequest's.
func (r *UpdateFunctionConfigurationRequest) Validate() error {
	var v Violations
	if r.Role != nil {
		checkRole(&v, *r.Role)
	}
	r.check(&v)
	if err := v.Err(); err != nil {
		return err
	}
	if err := r.FunctionSettings.refuse(); err != nil {
		return err
	}
	return r.Unsupported.refuse()
}

// Validate holds the request against the API model.
func (r *UpdateFunctionCodeRequest) Validate() error {
	var v Violations
	checkArchitectures(&v, r.Architectures)
	if err := v.Err(); err != nil {
		return err
	}
	if r.ImageURI != "" {
		return Errorf(CodeInvalidParameter, "Please don't provide ImageUri when updating a function with packageType Zip.")
	}
	return r.FunctionCode.check()
}

// Validate holds the request against the API model.
func (r *PublishVersionRequest) Validate() error {
	var v Violations
	checkDescription(&v, r.Description)
	return v.Err()
}

// check refuses code that is somewhere else, or nowhere.
func (c *FunctionCode) check() error {
	switch {
	case c.S3Bucket != "" || c.S3Key != "":
		return Errorf(CodeInvalidParameter, "Error occurred while GetObject. S3 Error Code: NoSuchBucket. S3 Error Message: The specified bucket does not exist")
	case len(c.ZipFile) == 0:
		return Errorf(CodeInvalidParameter, "Please provide a source for function code.")
	}
	return nil
}

// check notes what breaks the model's constraints.
func (s *FunctionSettings) check(v *Violations) {
	if s.Handler != nil {
		v.Length("handler", *s.Handler, 0, maxHandler)
		checkPattern(v, "handler", *s.Handler, handlerRegexp, handlerPattern)
	}
	checkDescription(v, s.Description)
	if s.Layers != nil {
		checkLayers(v, *s.Layers)
	}
	if s.Timeout != nil {
		v.Range("timeout", *s.Timeout, 1, maxTimeout)
	}
	if s.MemorySize != nil {
		v.Range("memorySize", *s.MemorySize, minMemory, maxMemory)
	}
	if s.EphemeralStorage != nil {
		v.Range("ephemeralStorage.size", s.EphemeralStorage.Size, minStorage, maxStorage)
	}
	if s.TracingConfig != nil && s.TracingConfig.Mode != "" {
		v.OneOf("tracingConfig.mode", s.TracingConfig.Mode, "Active", "PassThrough")
	}
	if s.SnapStart != nil && s.SnapStart.ApplyOn != "" {
		v.OneOf("snapStart.applyOn", s.SnapStart.ApplyOn, "PublishedVersions", "None")
	}
	if s.KMSKeyArn != nil {
		checkPattern(v, "kMSKeyArn", *s.KMSKeyArn, resourceRegexp, resourcePattern)
	}
	if s.DeadLetterConfig != nil {
		checkPattern(v, "deadLetterConfig.targetArn", s.DeadLetterConfig.TargetArn, resourceRegexp, resourcePattern)
	}
	s.LoggingConfig.check(v)
}

func (l *LoggingConfig) check(v *Violations) {
	if l == nil {
		return
	}
	if l.LogFormat != "" {
		v.OneOf("loggingConfig.logFormat", l.LogFormat, "JSON", "Text")
	}
	if l.ApplicationLogLevel != "" {
		v.OneOf("loggingConfig.applicationLogLevel", l.ApplicationLogLevel, "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
	}
	if l.SystemLogLevel != "" {
		v.OneOf("loggingConfig.systemLogLevel", l.SystemLogLevel, "DEBUG", "INFO", "WARN")
	}
	if l.LogGroup != "" {
		v.Length("loggingConfig.logGroup", l.LogGroup, 1, maxLogGroup)
		checkPattern(v, "loggingConfig.logGroup", l.LogGroup, logGroupRegexp, logGroupPattern)
	}
}

// refuse tells what the model allows and the host does not.
func (s *FunctionSettings) refuse() error {
	if s.Runtime != nil {
		if err := checkRuntime(*s.Runtime); err != nil {
			return err
		}
	}
	return nil
}

func (u *Unsupported) refuse() error {
	if c := u.VpcConfig; c != nil && len(c.SubnetIDs) > 0 {
		return Errorf(CodeInvalidParameter, "Error occurred while DescribeSubnets. EC2 Error Code: InvalidSubnetID.NotFound. EC2 Error Message: The subnet ID '%s' does not exist", c.SubnetIDs[0])
	}
	if c := u.VpcConfig; c != nil && len(c.SecurityGroupIDs) > 0 {
		return Errorf(CodeInvalidParameter, "Error occurred while DescribeSecurityGroups. EC2 Error Code: InvalidGroup.NotFound. EC2 Error Message: The security group '%s' does not exist", c.SecurityGroupIDs[0])
	}
	for _, field := range []struct {
		name string
		set  bool
	}{
		{"FileSystemConfigs", len(u.FileSystemConfigs) > 0},
		{"ImageConfig", len(u.ImageConfig) > 0},
		{"CapacityProviderConfig", len(u.CapacityProviderConfig) > 0},
		{"DurableConfig", len(u.DurableConfig) > 0},
		{"TenancyConfig", len(u.TenancyConfig) > 0},
	} {
		if field.set {
			return Errorf(CodeInvalidParameter, "%s is not supported by this host.", field.name)
		}
	}
	return nil
}

func checkRole(v *Violations, role string) {
	checkPattern(v, "role", role, roleRegexp, rolePattern)
}

func checkDescription(v *Violations, description *string) {
	if description != nil {
		v.Length("description", *description, 0, maxDescription)
	}
}

func checkPattern(v *Violations, field, value string, re *regexp.Regexp, pattern string) {
	if !re.MatchString(value) {
		v.Pattern(field, value, pattern)
	}
}

// checkArchitectures takes nil for "not given".
func checkArchitectures(v *Violations, list []string) {
	shown := "[" + strings.Join(list, ", ") + "]"
	switch {
	case list == nil:
		return
	case len(list) == 0:
		v.Add("architectures", shown, "Member must have length greater than or equal to 1")
	case len(list) > 1:
		v.Add("architectures", shown, "Member must have length less than or equal to 1")
	}
	for _, a := range list {
		if a != "x86_64" && a != "arm64" {
			v.Add("architectures", shown, fmt.Sprintf("Member must satisfy constraint: [Member must satisfy enum value set: [%s], Member must not be null]", "x86_64, arm64"))
			return
		}
	}
}
