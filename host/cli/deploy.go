package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lambent-host/lambent/abi/gobuild"
	"github.com/lambent-host/lambent/host/lambdaapi"
)

const aboutDeploy = `Deploy creates a function, or gives the one of that name new code and settings,
and waits until it can run. The code is a module, a zip with one inside, or the
folder of a Go main package, which is built first. Settings that are not given
keep their value, or Lambda's default for a new function.`

// settings are the flags of deploy.
type settings struct {
	memory, timeout      int
	env                  []string
	description, handler string
	role                 string
}

func (a *app) deployCommand() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use:   "deploy NAME FILE.wasm|FILE.zip|DIR",
		Short: "Create a function, or update the one that exists",
		Long:  aboutDeploy,
		Example: "  lambent deploy hello ./functions/hello --memory 256 --timeout 10 --env GREETING=Hi\n" +
			"  lambent deploy hello hello.wasm",
		Args: positional("NAME", "FILE.wasm, FILE.zip or DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			request, err := s.request(cmd, args[0])
			if err != nil {
				return err
			}
			host, err := a.client()
			if err != nil {
				return err
			}
			code, err := a.code(cmd.Context(), args[1])
			if err != nil {
				return err
			}
			request.Code = &lambdaapi.FunctionCode{ZipFile: code}
			fmt.Fprintf(a.Stderr, "uploading %s; the host validates and compiles it\n", size(int64(len(code))))
			f, created, err := host.Deploy(cmd.Context(), request)
			if err != nil {
				return err
			}
			what := "updated"
			if created {
				what = "created"
			}
			_, err = fmt.Fprintf(a.Stdout, "%s %s: %d MB, %d s, %s\n", what, f.FunctionName, f.MemorySize, f.Timeout, f.FunctionArn)
			return err
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&s.memory, "memory", 128, "MB of memory, 128 to 10240")
	flags.IntVar(&s.timeout, "timeout", 3, "seconds an invocation may take, 1 to 900")
	flags.StringArrayVar(&s.env, "env", nil, "K=V for the function's environment; may be given again, and replaces what was there")
	flags.StringVar(&s.description, "description", "", "what the function is for")
	flags.StringVar(&s.handler, "handler", "", "handler, as the function reads it in _HANDLER")
	flags.StringVar(&s.role, "role", "arn:aws:iam::000000000000:role/lambent", "role of a new function; it is kept and grants nothing")
	return a.withEndpoint(cmd)
}

// request turns the flags that were given into a request.
func (s *settings) request(cmd *cobra.Command, name string) (*lambdaapi.CreateFunctionRequest, error) {
	given := cmd.Flags().Changed
	request := &lambdaapi.CreateFunctionRequest{FunctionName: &name, Role: &s.role}
	if given("memory") {
		request.MemorySize = &s.memory
	}
	if given("timeout") {
		request.Timeout = &s.timeout
	}
	if given("description") {
		request.Description = &s.description
	}
	if given("handler") {
		request.Handler = &s.handler
	}
	if given("env") {
		variables := map[string]string{}
		for _, pair := range s.env {
			key, value, ok := strings.Cut(pair, "=")
			if !ok || key == "" {
				return nil, usagef("--env: %q is not K=V", pair)
			}
			variables[key] = value
		}
		request.Environment = &lambdaapi.Environment{Variables: variables}
	}
	return request, nil
}

// code reads a module or an archive, or builds the package in a folder.
func (a *app) code(ctx context.Context, path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return os.ReadFile(path)
	}
	return a.buildModule(ctx, path)
}

// buildModule builds a Go main package and returns the module.
func (a *app) buildModule(ctx context.Context, dir string) ([]byte, error) {
	tmp, err := os.MkdirTemp("", "lambent-deploy-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	report, err := gobuild.Build(ctx, gobuild.Options{
		Dir: dir, Out: filepath.Join(tmp, "main.wasm"), Env: a.Env,
		Progress: func(step string) { fmt.Fprintln(a.Stderr, step) },
	})
	if err != nil {
		return nil, err
	}
	return os.ReadFile(report.Out)
}
