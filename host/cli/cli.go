// Package cli is lambent's command line: each command in a file of its own, and
// [Main], which a test can call as well as the program.
//
// Exit codes: 0 for success; 1 when something failed, which includes a function
// that answered with an error; 2 for a command line that makes no sense, and for a
// test of an extension that could not be made. What a
// command is asked for goes to stdout, everything else to stderr.
//
// Read next: package host, which serve runs, and package client, which the
// commands about functions use.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"regexp"
	"strings"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/lambent-host/lambent/host"
	"github.com/lambent-host/lambent/host/client"
)

// Process is what a command reads of the process it runs in.
type Process struct {
	Args           []string // without the program's name
	Env            []string // "K=V"
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// Exit codes of [Main].
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

// Main runs one command until it ends or ctx does, and returns the exit code.
func Main(ctx context.Context, p Process) int {
	app := &app{Process: p}
	root := app.root()
	root.SetArgs(p.Args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		fmt.Fprintln(p.Stderr, "lambent: interrupted")
		return exitError
	}
	fmt.Fprintln(p.Stderr, "lambent:", err)
	var usage *usageError
	if errors.As(err, &usage) || strings.HasPrefix(err.Error(), "unknown command") {
		fmt.Fprintln(p.Stderr, `Run "lambent help" to see what there is.`)
		return exitUsage
	}
	var coded *exitCodeError
	if errors.As(err, &coded) {
		return coded.code
	}
	return exitError
}

// exitCodeError is an error with an exit code of its own.
type exitCodeError struct {
	error
	code int
}

// Unwrap returns the cause.
func (e *exitCodeError) Unwrap() error { return e.error }

// usageError is a command line that makes no sense.
type usageError struct{ error }

// Unwrap returns the cause.
func (e *usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

// fieldPattern finds the field that a fault of a configuration begins with.
var fieldPattern = regexp.MustCompile(`(?m)^(?:field )?([A-Z]\w*): `)

// flagFaults is the error of a configuration with the flags in it that the user
// knows, in place of the fields behind them.
func flagFaults(err error, flags map[string]string) error {
	return usagef("%s", fieldPattern.ReplaceAllStringFunc(err.Error(), func(found string) string {
		if flag, ok := flags[fieldPattern.FindStringSubmatch(found)[1]]; ok {
			return "--" + flag + ": "
		}
		return found
	}))
}

// app is what the commands share.
type app struct {
	Process
	endpoint string
}

const about = `Lambent runs functions compiled to WebAssembly behind AWS Lambda's API.

Begin with "lambent demo" in a checkout: it builds a function and an extension,
runs them, and shows what happened. Then, in two terminals:

  lambent serve --data ./lambent-data
  lambent deploy hello ./functions/hello
  lambent invoke hello --payload '{"name":"Ada"}' --log

The aws CLI, boto3 and the SDKs work as well, with --endpoint-url
http://` // the default address follows

// Groups of commands in the help.
const (
	groupStart     = "start"
	groupFunctions = "functions"
	groupExtend    = "extend"
	groupMeasure   = "measure"
)

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "lambent",
		Short:         "Run functions compiled to WebAssembly behind AWS Lambda's API",
		Long:          about + host.DefaultConfig().Listen + ".",
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version(),
	}
	root.SetIn(a.Stdin)
	root.SetOut(a.Stdout) // before checkTopics: cobra's completion remembers it
	root.SetErr(a.Stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.SetVersionTemplate("lambent {{.Version}}\n")
	root.AddGroup(
		&cobra.Group{ID: groupStart, Title: "To begin and to run a host:"},
		&cobra.Group{ID: groupFunctions, Title: "Functions (of the host at --endpoint or LAMBENT_ENDPOINT):"},
		&cobra.Group{ID: groupExtend, Title: "Extensions (without a host):"},
		&cobra.Group{ID: groupMeasure, Title: "To measure:"},
	)
	grouped(root, groupStart, a.demoCommand(), a.serveCommand())
	grouped(root, groupFunctions, a.buildCommand(), a.deployCommand(), a.invokeCommand(), a.listCommand(), a.deleteCommand())
	grouped(root, groupExtend, a.extensionCommand())
	grouped(root, groupMeasure, a.benchCommand())
	root.AddCommand(a.versionCommand())
	checkTopics(root)
	return root
}

// checkTopics makes "help X" and "completion X" fail for an X that does not
// exist; cobra would print what there is and call it a success.
func checkTopics(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Args = func(_ *cobra.Command, args []string) error {
				if _, rest, err := root.Find(args); err != nil || len(rest) > 0 {
					return usagef("help: there is no command %q", strings.Join(args, " "))
				}
				return nil
			}
		case "completion":
			c.Args = func(_ *cobra.Command, args []string) error {
				if len(args) > 0 {
					return usagef("completion: %q is not one of bash, zsh, fish, powershell", args[0])
				}
				return nil
			}
			c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
		}
	}
}

func grouped(root *cobra.Command, group string, commands ...*cobra.Command) {
	for _, c := range commands {
		c.GroupID = group
		root.AddCommand(c)
	}
}

// positional checks the number of arguments and names those that are missing.
func positional(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return usagef("%s: %s is missing", cmd.Name(), names[len(args)])
		case len(args) > len(names):
			return usagef("%s: %q is one argument too many", cmd.Name(), args[len(names)])
		}
		return nil
	}
}

// withEndpoint gives a command the flag that says where the host is.
func (a *app) withEndpoint(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringVar(&a.endpoint, "endpoint", "", "URL of the host (default $LAMBENT_ENDPOINT, or http://"+host.DefaultConfig().Listen+")")
	return cmd
}

// client speaks to the host that the flag, or else the environment, names.
func (a *app) client() (*client.Client, error) {
	endpoint, from := a.endpoint, "--endpoint"
	if endpoint == "" {
		endpoint, from = a.env("LAMBENT_ENDPOINT"), "LAMBENT_ENDPOINT"
	}
	if endpoint == "" {
		endpoint = host.DefaultConfig().Listen
	}
	if !strings.Contains(endpoint, "://") {
		endpoint = "http://" + endpoint
	}
	parsed, err := url.Parse(endpoint)
	if err != nil || parsed.Host == "" || (parsed.Scheme != "http" && parsed.Scheme != "https") {
		return nil, usagef("%s: %q is not a URL like http://%s", from, endpoint, host.DefaultConfig().Listen)
	}
	return client.New(endpoint), nil
}

// env returns a variable of the environment; "" where it is not set.
func (a *app) env(name string) string {
	for _, pair := range a.Env {
		if key, value, ok := strings.Cut(pair, "="); ok && key == name {
			return value
		}
	}
	return ""
}

// isTerminal tells whether a person looks at w.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}
