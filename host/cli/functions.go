package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/lambent-host/lambent/host/client"
	"github.com/lambent-host/lambent/host/lambdaapi"
)

const aboutInvoke = `Invoke runs a function and prints its answer. The payload is JSON, or @FILE, or -
for stdin; without one the function gets {}.

A function that answers with an error ends the command with exit code 1; its error
document is still what is printed on stdout.`

// invocationTypes are the values of --type.
var invocationTypes = []string{lambdaapi.InvocationRequestResponse, lambdaapi.InvocationEvent, lambdaapi.InvocationDryRun}

// errFunction is a function that answered with an error.
var errFunction = errors.New("the function answered with an error")

func (a *app) invokeCommand() *cobra.Command {
	var in client.InvokeInput
	var payload string
	cmd := &cobra.Command{
		Use:   "invoke NAME --payload JSON|@FILE|-",
		Short: "Run a function",
		Long:  aboutInvoke,
		Example: "  lambent invoke hello --payload '{\"name\":\"Ada\"}' --log\n" +
			"  lambent invoke hello --payload @event.json --type Event",
		Args: positional("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Name = args[0]
			if !slices.Contains(invocationTypes, in.Type) {
				return usagef("--type: %q is not one of %s", in.Type, strings.Join(invocationTypes, ", "))
			}
			host, err := a.client()
			if err != nil {
				return err
			}
			if in.Payload, err = a.payload(payload); err != nil {
				return err
			}
			out, err := host.Invoke(cmd.Context(), in)
			if err != nil {
				return err
			}
			return a.printOutcome(in, out)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&payload, "payload", "p", "", "the event: JSON, @FILE, or - for stdin")
	flags.StringVar(&in.Type, "type", lambdaapi.InvocationRequestResponse, "RequestResponse, Event (asynchronous) or DryRun")
	flags.BoolVar(&in.Tail, "log", false, "print the end of the log to stderr")
	flags.StringVar(&in.Qualifier, "qualifier", "", "a version or an alias")
	flags.StringVar(&in.ClientContext, "client-context", "", "client context, a JSON object")
	return a.withEndpoint(cmd)
}

// payload reads what --payload means.
func (a *app) payload(flag string) ([]byte, error) {
	switch {
	case flag == "-":
		return io.ReadAll(a.Stdin)
	case strings.HasPrefix(flag, "@"):
		return os.ReadFile(flag[1:])
	}
	return []byte(flag), nil
}

func (a *app) printOutcome(in client.InvokeInput, out *client.InvokeOutput) error {
	switch {
	case in.Type == lambdaapi.InvocationEvent:
		fmt.Fprintf(a.Stderr, "accepted: request %s\n", out.RequestID)
		return nil
	case in.Type == lambdaapi.InvocationDryRun:
		fmt.Fprintln(a.Stderr, "the function exists and could be invoked")
		return nil
	}
	if len(out.Log) > 0 {
		fmt.Fprintf(a.Stderr, "%s\n", strings.TrimRight(string(out.Log), "\n"))
	}
	if _, err := fmt.Fprintf(a.Stdout, "%s\n", out.Payload); err != nil {
		return err
	}
	if out.FunctionError != "" {
		return errFunction
	}
	return nil
}

func (a *app) listCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the functions",
		Args:  positional(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			host, err := a.client()
			if err != nil {
				return err
			}
			functions, err := host.List(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				encoder := json.NewEncoder(a.Stdout)
				encoder.SetIndent("", "  ")
				return encoder.Encode(append([]*lambdaapi.FunctionConfiguration{}, functions...)) // [] for none, not null
			}
			table := tabwriter.NewWriter(a.Stdout, 0, 4, 2, ' ', 0)
			fmt.Fprintln(table, "NAME\tMEMORY\tTIMEOUT\tCODE\tMODIFIED")
			for _, f := range functions {
				fmt.Fprintf(table, "%s\t%d MB\t%d s\t%s\t%s\n", f.FunctionName, f.MemorySize, f.Timeout, size(f.CodeSize), f.LastModified)
			}
			return table.Flush()
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the API's own JSON")
	return a.withEndpoint(cmd)
}

func (a *app) deleteCommand() *cobra.Command {
	var qualifier string
	cmd := &cobra.Command{
		Use:   "delete NAME",
		Short: "Delete a function with all its versions, or one version",
		Args:  positional("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := args[0]
			if qualifier != "" {
				name += ":" + qualifier
			}
			host, err := a.client()
			if err != nil {
				return err
			}
			if err := host.Delete(cmd.Context(), name); err != nil {
				return err
			}
			_, err = fmt.Fprintf(a.Stdout, "deleted %s\n", name)
			return err
		},
	}
	cmd.Flags().StringVar(&qualifier, "qualifier", "", "the number of a version: delete only that")
	return a.withEndpoint(cmd)
}
