package catalogue

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var (
	namePattern     = regexp.MustCompile(`^[a-zA-Z0-9-_]{1,64}$`)
	variablePattern = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_]+$`)
)

// maxEnvironmentBytes limits the environment, measured as compact JSON.
const maxEnvironmentBytes = 4096

// maxSnapshotStorage is the most /tmp of a function with SnapStart, in MB
// (developer guide, "Improving startup performance with Lambda SnapStart").
const maxSnapshotStorage = 512

// reserved are the variables the service sets itself (developer guide, "Defined
// runtime environment variables"), and one of the managed runtimes'.
var reserved = []string{
	"_HANDLER", "_X_AMZN_TRACE_ID", "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION",
	"AWS_EXECUTION_ENV", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_NAME",
	"AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME",
	"AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_MAX_CONCURRENCY", "AWS_LAMBDA_RUNTIME_API", "AWS_REGION",
	"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT",
}

// checkName refuses names that could not be keys or parts of an ARN.
func checkName(name string) error {
	if !namePattern.MatchString(name) {
		return validation("functionName", name, "Member must satisfy regular expression pattern: [a-zA-Z0-9-_]{1,64}")
	}
	return nil
}

// fill puts the service's defaults where nothing is set.
func (s *Settings) fill(name string) {
	orDefault(&s.MemorySize, 128)
	orDefault(&s.Timeout, 3)
	orDefault(&s.EphemeralStorage, 512)
	orDefault(&s.TracingMode, "PassThrough")
	orDefault(&s.SnapStartApplyOn, "None")
	orDefault(&s.Logging.Format, "Text")
	orDefault(&s.Logging.Group, "/aws/lambda/"+name)
	if s.Logging.Format == "JSON" {
		orDefault(&s.Logging.ApplicationLevel, "INFO")
		orDefault(&s.Logging.SystemLevel, "INFO")
	}
	if len(s.Architectures) == 0 {
		s.Architectures = []string{"x86_64"}
	}
	if len(s.Layers) == 0 { // one form of "none", so that equal settings compare equal
		s.Layers = nil
	}
	if len(s.Environment) == 0 {
		s.Environment = nil
	}
}

func orDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// check refuses what would break the host later. Enumerations and patterns of
// the wire format are the HTTP API's to check.
func (s *Settings) check() error {
	for _, r := range []struct {
		field            string
		value, low, high int
	}{
		{"memorySize", s.MemorySize, 128, 10240},
		{"timeout", s.Timeout, 1, 900},
		{"ephemeralStorage.size", s.EphemeralStorage, 512, 10240},
	} {
		if r.value < r.low {
			return validation(r.field, fmt.Sprint(r.value), fmt.Sprintf("Member must have value greater than or equal to %d", r.low))
		}
		if r.value > r.high {
			return validation(r.field, fmt.Sprint(r.value), fmt.Sprintf("Member must have value less than or equal to %d", r.high))
		}
	}
	if len(s.Layers) > 5 {
		return invalid("Layers", "Cannot reference more than 5 layers.")
	}
	if s.SnapStartApplyOn == SnapStartPublished && s.EphemeralStorage > maxSnapshotStorage {
		return invalid("EphemeralStorage", "EphemeralStorage of more than %d MB is not supported for SnapStart enabled functions.", maxSnapshotStorage)
	}
	if v, set := s.Environment[IsolationVariable]; set && !Isolation(v).Valid() {
		return invalid("Environment", "Environment.Variables.%s: %q is not one of %s, %s.", IsolationVariable, v, IsolationEnvironment, IsolationRequest)
	}
	return checkEnvironment(s.Environment)
}

func checkEnvironment(env map[string]string) error {
	const unable = "Lambda was unable to configure your environment variables because the environment variables you have provided "
	var taken []string
	for k := range env {
		if slices.Contains(reserved, k) {
			taken = append(taken, k)
		}
	}
	if len(taken) > 0 {
		slices.Sort(taken)
		return invalid("Environment", unable+"contains reserved keys that are currently not supported for modification. Reserved keys used in this request: %s", strings.Join(taken, ", "))
	}
	for k, v := range env {
		if !variablePattern.MatchString(k) {
			return validation("environment.variables", "{"+k+"=...}", `Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]`)
		}
		if strings.ContainsRune(v, 0) {
			return invalid("Environment", "The value of the environment variable %s holds a NUL character.", k)
		}
	}
	if measured := compact(env); len(measured) > maxEnvironmentBytes {
		return invalid("Environment", unable+"exceeded the 4KB limit. String measured: %s", measured)
	}
	return nil
}

// compact is the JSON of the environment without the escapes for HTML, which
// would make it longer than the service measures.
func compact(env map[string]string) string {
	if len(env) == 0 {
		return ""
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(env); err != nil { // a map of strings cannot fail
		panic(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}
