// Command conformance is the guest that package abitest holds to the contract,
// in Go and without aws-lambda-go.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/lambent-host/lambent/abi/guest"
	"github.com/lambent-host/lambent/abi/guest/snapstart"
)

// Custom.Type cannot be the name of a Go type, so errors are reported on the
// invocation itself.
func handle(ctx context.Context, event []byte) ([]byte, error) {
	inv, _ := guest.FromContext(ctx)
	invocations++
	command, rest, _ := strings.Cut(string(event), " ")
	switch command {
	case "echo":
		return []byte(rest), nil
	case "context":
		return []byte(strings.Join([]string{inv.RequestID(), inv.FunctionARN(), inv.TraceID(), inv.ClientContext(), inv.CognitoIdentity(), ""}, "\n")), nil
	case "deadline":
		deadline, _ := ctx.Deadline()
		return []byte(strconv.FormatInt(deadline.UnixMilli(), 10)), nil
	case "count":
		return []byte(strconv.Itoa(invocations)), nil
	case "env":
		return []byte(os.Getenv(rest)), nil
	case "log":
		fmt.Fprintln(os.Stderr, rest)
		return nil, nil
	case "big":
		n, err := strconv.Atoi(rest)
		return []byte(strings.Repeat("x", n)), err
	case "fail":
		errorType, message, _ := strings.Cut(rest, " ")
		return nil, inv.Fail(errorType, message)
	case "hooks":
		return fmt.Appendf(nil, "%d %d", hooks["before"], hooks["after"]), nil
	case "panic":
		panic(rest)
	}
	return nil, fmt.Errorf("no such command: %s", command)
}

var (
	invocations int
	hooks       = map[string]int{}
)

// hook counts its runs, and fails if it is the one that is asked to.
func hook(name string) func() error {
	return func() error {
		hooks[name]++
		if os.Getenv("FAIL_HOOK") == name {
			return errors.New("asked to fail")
		}
		return nil
	}
}

func main() {
	snapstart.BeforeSnapshot(hook("before"))
	snapstart.AfterRestore(hook("after"))
	if os.Getenv("FAIL_INIT") != "" {
		_ = guest.InitFail([]byte(`{"errorType":"InitFailure","errorMessage":"asked to fail"}`))
		os.Exit(1)
	}
	guest.Serve(handle)
}
