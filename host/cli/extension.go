package cli

import (
	"strings"

	"github.com/spf13/cobra"
)

const aboutExtension = `Tools for the people who write Lambda extensions: processes beside a function that
receive its telemetry. They need no running host.`

// extensionCommands make the commands below "lambent extension", in the order of
// the help.
var extensionCommands = []func(*app) *cobra.Command{(*app).extensionNewCommand, (*app).extensionRunCommand, (*app).extensionTestCommand}

func (a *app) extensionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "extension",
		Short: "Write and test extensions",
		Long:  aboutExtension,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("extension: there is no command %q", strings.Join(args, " "))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, command := range extensionCommands {
		cmd.AddCommand(command(a))
	}
	return cmd
}
