package lambdaapi

import (
	"slices"
	"strings"
)

// The runtime of a function is kept and reported, but does not decide how the
// code runs: its bytes do. There is no value for WebAssembly; provided.al2023 is
// what fits.
var (
	// runtimes is the set as the service lists it in its error (recorded in
	// November 2025), in that order.
	runtimes = []string{
		"nodejs20.x", "python3.14", "provided.al2023", "python3.12", "python3.13", "nodejs24.x", "nodejs22.x",
		"java25", "python3.10", "python3.11", "java21", "ruby3.3", "ruby3.4", "ruby3.2", "python3.8", "python3.9",
		"java17", "nodejs16.x", "dotnet10", "dotnet8", "java11", "dotnet6", "nodejs18.x", "provided.al2", "java8.al2",
	}
	// retired are the other values of the API model.
	retired = []string{
		"nodejs", "nodejs4.3", "nodejs6.10", "nodejs8.10", "nodejs10.x", "nodejs12.x", "nodejs14.x", "java8",
		"python2.7", "python3.6", "python3.7", "dotnetcore1.0", "dotnetcore2.0", "dotnetcore2.1", "dotnetcore3.1",
		"nodejs4.3-edge", "go1.x", "ruby2.5", "ruby2.7", "provided",
	}
)

// DefaultRuntime is what a module of ours is deployed as.
const DefaultRuntime = "provided.al2023"

func checkRuntime(runtime string) error {
	switch {
	case slices.Contains(runtimes, runtime):
		return nil
	case slices.Contains(retired, runtime):
		return Errorf(CodeInvalidParameter, "The runtime parameter of %s is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions.", runtime)
	}
	return Errorf(CodeInvalidParameter, "Value %s at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [%s] or be a valid ARN", runtime, strings.Join(runtimes, ", "))
}
