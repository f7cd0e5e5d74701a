package extensions

import (
	"strings"
)

// hidden are the variables of a function that its extensions do not get
// (Lambda developer guide, "Extensions API", environment variables).
var hidden = map[string]bool{
	"AWS_EXECUTION_ENV":         true,
	"AWS_LAMBDA_LOG_GROUP_NAME": true, "AWS_LAMBDA_LOG_STREAM_NAME": true,
	"AWS_XRAY_CONTEXT_MISSING": true, "AWS_XRAY_DAEMON_ADDRESS": true,
	"LAMBDA_RUNTIME_DIR": true, "LAMBDA_TASK_ROOT": true,
	"AWS_LAMBDA_RUNTIME_API": true, // theirs is another address
}

// environ is the environment of an extension process: the function's without
// what is hidden and without names that start with an underscore, and the
// address of the API.
func environ(function []string, addr string) []string {
	env := make([]string, 0, len(function)+1)
	for _, pair := range function {
		name, _, _ := strings.Cut(pair, "=")
		if !hidden[name] && !strings.HasPrefix(name, "_") {
			env = append(env, pair)
		}
	}
	return append(env, "AWS_LAMBDA_RUNTIME_API="+addr)
}
