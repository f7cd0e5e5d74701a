package cli

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"text/template"

	"github.com/spf13/cobra"
)

const aboutExtensionNew = `New writes the project of an extension: a Go module with a program that receives
telemetry, a test that leads it through an environment's life, and a README. It
builds, and its test passes.

The module requires this version of Lambent. A development build has none that can
be downloaded: then the project points to the checkout that the working folder is in,
or to the one of --replace.`

//go:embed template/extension
var extensionTemplate embed.FS

// namePattern is what Lambda takes as the name of an extension, and a file system as
// that of a file.
var namePattern = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$`)

// released is a version that was tagged, and not one that the go command has made of
// a commit.
var released = regexp.MustCompile(`^v\d+\.\d+\.\d+(-[a-z]+\.?\d*)?$`)

// newExtension is a project to be written, as its templates see it.
type newExtension struct {
	Name    string
	Module  string
	Go      string // the language version
	Version string // of Lambent
	Replace string // a checkout of Lambent, or ""

	dir string
}

func (a *app) extensionNewCommand() *cobra.Command {
	var p newExtension
	cmd := &cobra.Command{
		Use:     "new NAME",
		Short:   "Write the project of an extension",
		Long:    aboutExtensionNew,
		Example: "  lambent extension new my-extension\n  lambent extension new my-extension --dir ./src/extension --module example.com/my-extension",
		Args:    positional("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			p.Name = args[0]
			if !namePattern.MatchString(p.Name) {
				return usagef("new: %q is not a name for an extension: letters, digits, dots, dashes and underscores", p.Name)
			}
			return a.newExtension(cmd.Context(), p)
		},
	}
	cmd.Flags().StringVar(&p.dir, "dir", "", "folder to write, which must not be there or be empty (default ./NAME)")
	cmd.Flags().StringVar(&p.Module, "module", "", "path of the Go module (default NAME)")
	cmd.Flags().StringVar(&p.Replace, "replace", "", "a checkout of Lambent to build against")
	return cmd
}

func (a *app) newExtension(ctx context.Context, p newExtension) error {
	if err := p.complete(ctx, a.Env); err != nil {
		return err
	}
	if err := p.write(); err != nil {
		return err
	}
	fmt.Fprintf(a.Stdout, "wrote %s\n", p.dir)
	if p.Replace != "" {
		fmt.Fprintf(a.Stdout, "it is built against the checkout in %s: see replace in its go.mod\n", p.Replace)
	}
	if err := a.tidy(ctx, p.dir); err != nil {
		return fmt.Errorf("%w\nthe project is in %s; run \"go mod tidy\" there", err, p.dir)
	}
	fmt.Fprintf(a.Stdout, `
  cd %s
  go build . && go test ./...
  lambent extension run . --function PATH_TO_A_FUNCTION
`, p.dir)
	return nil
}

// complete fills in what was not said.
func (p *newExtension) complete(ctx context.Context, env []string) (err error) {
	if p.dir == "" {
		p.dir = p.Name
	}
	if p.Module == "" {
		p.Module = p.Name
	}
	p.Go = strings.Join(strings.SplitN(strings.TrimPrefix(runtime.Version(), "go"), ".", 3)[:2], ".")
	if p.Version = version(); p.Replace == "" && released.MatchString(p.Version) {
		return nil
	}
	p.Version = "v0.0.0"
	if p.Replace == "" {
		if p.Replace, err = findCheckout(ctx, env); err != nil {
			return errors.New("this is a development build, whose version cannot be downloaded: run it in a checkout of Lambent, or name one with --replace")
		}
	}
	if p.Replace, err = filepath.Abs(p.Replace); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(p.Replace, "go.mod")); err != nil {
		return fmt.Errorf("--replace: %w", err)
	}
	return nil
}

// write writes the files; nothing that is there is touched.
func (p *newExtension) write() error {
	if there, err := os.ReadDir(p.dir); err == nil && len(there) > 0 {
		return fmt.Errorf("%s is not empty", p.dir)
	}
	if err := os.MkdirAll(p.dir, 0o755); err != nil { //nolint:gosec // sources, as any
		return err
	}
	const root = "template/extension"
	return fs.WalkDir(extensionTemplate, root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := template.ParseFS(extensionTemplate, path)
		if err != nil {
			return err
		}
		name := strings.TrimSuffix(entry.Name(), ".tmpl")
		if name == "gitignore" {
			name = ".gitignore"
		}
		file, err := os.OpenFile(filepath.Join(p.dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644) //nolint:gosec // sources, as any
		if err != nil {
			return err
		}
		return errors.Join(text.Execute(file, p), file.Close())
	})
}

// tidy has the go command find what the project needs.
func (a *app) tidy(ctx context.Context, dir string) error {
	tidy := exec.CommandContext(ctx, "go", "mod", "tidy")
	tidy.Dir, tidy.Env = dir, a.Env
	if out, err := tidy.CombinedOutput(); err != nil {
		return fmt.Errorf("go mod tidy: %w\n%s", err, out)
	}
	return nil
}
