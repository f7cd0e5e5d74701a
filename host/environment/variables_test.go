package environment

import (
	"slices"
	"testing"
	"time"

	"github.com/lambent-host/lambent/host/catalogue"
)

func TestVariablesAreLambdasAndTheFunctionsOwn(t *testing.T) {
	e := &environment{
		id: "0123", born: time.Date(2026, 11, 23, 23, 0, 0, 0, time.UTC),
		cfg: &Config{Region: "eu-west-1"},
		version: catalogue.Version{
			FunctionName: "f", Version: "7",
			Settings: catalogue.Settings{
				MemorySize: 256, Handler: "main.wasm",
				Environment: map[string]string{"GREETING": "a=b"},
				Logging:     catalogue.Logging{Group: "/aws/lambda/f", Format: "JSON", ApplicationLevel: "WARN"},
			},
		},
	}
	vars := e.variables()
	for _, want := range []string{
		"AWS_REGION=eu-west-1", "AWS_LAMBDA_FUNCTION_NAME=f", "AWS_LAMBDA_FUNCTION_VERSION=7",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256", "_HANDLER=main.wasm", "GREETING=a=b",
		"AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/f", "AWS_LAMBDA_LOG_STREAM_NAME=2026/11/23/[7]0123",
		"AWS_LAMBDA_LOG_FORMAT=JSON", "AWS_LAMBDA_LOG_LEVEL=WARN",
	} {
		if !slices.Contains(vars, want) {
			t.Errorf("%s is missing from %v", want, vars)
		}
	}
	if !slices.IsSorted(vars) {
		t.Error("variables are not sorted: two environments of a version would differ")
	}
}
