package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lambent-host/lambent/abi/gobuild"
)

const aboutBuild = `Build compiles a Go main package to a WebAssembly module that a host can run.

A program that uses aws-lambda-go needs no change: what it lacks is added for
this one build, and nothing is written into its folder. Any other program becomes
a command that gets the event on stdin and answers on stdout.`

func (a *app) buildCommand() *cobra.Command {
	var out, seam string
	var symbols bool
	cmd := &cobra.Command{
		Use:     "build [-o OUT.wasm] DIR",
		Short:   "Compile a Go program to a module",
		Long:    aboutBuild,
		Example: "  lambent build -o hello.wasm ./functions/hello",
		Args:    positional("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			chosen, err := parseSeam(seam)
			if err != nil {
				return err
			}
			dir, err := filepath.Abs(args[0])
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if out == "" {
				out = filepath.Base(dir) + ".wasm"
			}
			if folder, err := os.Stat(filepath.Dir(out)); err != nil || !folder.IsDir() {
				return fmt.Errorf("--output: there is no folder %s", filepath.Dir(out)) // before the work, not after it
			}
			report, err := gobuild.Build(cmd.Context(), gobuild.Options{
				Dir: dir, Out: out, Env: a.Env, Seam: chosen, KeepSymbols: symbols,
				Progress: func(step string) { fmt.Fprintln(a.Stderr, step) },
			})
			if err != nil {
				return err
			}
			if report.Fallback != "" {
				fmt.Fprintf(a.Stderr, "took the slower seam, because the fast one did not build: %s\n", firstLine(report.Fallback))
			}
			_, err = fmt.Fprintf(a.Stdout, "%s: a %s of %s\n", report.Out, report.Kind, size(report.Size))
			return err
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "file to write (default: the folder's name and .wasm)")
	cmd.Flags().StringVar(&seam, "seam", "auto", "how an aws-lambda-go program meets the host: auto, direct or runtime-api")
	cmd.Flags().BoolVar(&symbols, "symbols", false, "keep symbol table and debug information")
	return cmd
}

func parseSeam(name string) (gobuild.Seam, error) {
	switch name {
	case "auto":
		return gobuild.SeamAuto, nil
	case "direct":
		return gobuild.SeamDirect, nil
	case "runtime-api":
		return gobuild.SeamRuntimeAPI, nil
	}
	return 0, usagef("--seam: %q is not one of auto, direct, runtime-api", name)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}
