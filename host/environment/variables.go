package environment

import (
	"maps"
	"slices"
	"strconv"

	"github.com/lambent-host/lambent/host/catalogue"
	"github.com/lambent-host/lambent/telemetry"
)

// runtimeAPI is what a guest finds in AWS_LAMBDA_RUNTIME_API. The guest shim
// answers at that address inside the guest; nothing listens there.
const runtimeAPI = "127.0.0.1:9001"

// variables are the environment variables of the function, "K=V": those that
// Lambda defines for a runtime (developer guide, "Defined runtime environment
// variables") and the function's own. The catalogue refuses a function that
// would set one of the reserved names itself.
func (e *environment) variables() []string {
	return variables(e.cfg, e.version, e.kind, e.logStream())
}

// variables are those of a version. One that is captured finds no names of its log:
// they would be those of the environment that it was captured in (developer guide,
// "Monitoring for Lambda SnapStart").
func variables(cfg *Config, v catalogue.Version, kind telemetry.InitializationType, logStream string) []string {
	vars := map[string]string{
		"AWS_REGION":                      cfg.Region,
		"AWS_DEFAULT_REGION":              cfg.Region,
		"AWS_LAMBDA_FUNCTION_NAME":        v.FunctionName,
		"AWS_LAMBDA_FUNCTION_VERSION":     v.Version,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(v.MemorySize),
		"AWS_LAMBDA_LOG_GROUP_NAME":       v.Logging.Group,
		"AWS_LAMBDA_LOG_STREAM_NAME":      logStream,
		"AWS_LAMBDA_RUNTIME_API":          runtimeAPI,
		"AWS_LAMBDA_INITIALIZATION_TYPE":  string(kind),
		"AWS_XRAY_CONTEXT_MISSING":        "LOG_ERROR",
		"_HANDLER":                        v.Handler,
		"LAMBDA_TASK_ROOT":                "/var/task",
		"LAMBDA_RUNTIME_DIR":              "/var/runtime",
		"TZ":                              ":UTC",
		"LANG":                            "en_US.UTF-8",
		"PATH":                            "/usr/local/bin:/usr/bin:/bin:/opt/bin",
		"LD_LIBRARY_PATH":                 "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
	}
	if kind == telemetry.SnapStart {
		delete(vars, "AWS_LAMBDA_LOG_GROUP_NAME")
		delete(vars, "AWS_LAMBDA_LOG_STREAM_NAME")
	}
	if v.Logging.Format == logFormatJSON {
		vars["AWS_LAMBDA_LOG_FORMAT"] = v.Logging.Format
		vars["AWS_LAMBDA_LOG_LEVEL"] = v.Logging.ApplicationLevel
	}
	maps.Copy(vars, v.Environment)
	pairs := make([]string, 0, len(vars))
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		pairs = append(pairs, name+"="+vars[name])
	}
	return pairs
}

// logStream is the name of the environment's log stream in Lambda's form,
// YYYY/MM/DD/[version]id.
func (e *environment) logStream() string {
	return e.born.UTC().Format("2006/01/02") + "/[" + e.version.Version + "]" + e.id
}
