package gobuild

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/lambent-host/lambent/abi/guest"
)

// directLoop is the file that takes the place of aws-lambda-go's loop.
//
//go:embed shim/invoke_loop.go.txt
var directLoop []byte

const (
	loopFile = "invoke_loop.go"
	// guestFolder is the folder of package guest, where it is added.
	guestFolder = "lambentguest"
)

// unused are the files of aws-lambda-go/lambda for which directLoop stands in:
// the loop, the HTTP client below it, and the extension that asks for SIGTERM.
var unused = map[string]bool{
	loopFile:                   true,
	"invoke_loop_gte_go122.go": true,
	"invoke_loop_lte_go121.go": true,
	"runtime_api_client.go":    true,
	"extensions_api_client.go": true,
	"sigterm.go":               true,
}

// directOverlay shows an aws-lambda-go whose loop calls the host. Where the
// module lies in the module cache, which the go command does not overlay, it is
// shown at a place that does not exist, and go.mod (or go.work) is shown with a
// replace directive to there. A vendored or local module is overlaid in place.
func (b *builder) directOverlay(ctx context.Context, files *overlay) error {
	lambda := b.prog.lambdaDir
	if !within(lambda, b.tool.GOMODCACHE) {
		for name := range unused {
			if _, err := os.Stat(filepath.Join(lambda, name)); err == nil {
				files.hide(filepath.Join(lambda, name))
			}
		}
		if b.vendored() {
			// Of a vendored module the go command knows the packages in
			// vendor/modules.txt and no other; of the program's own module, all.
			return addLoop(files, lambda, filepath.Join(b.dir, guestFolder), b.prog.importPath+"/"+guestFolder)
		}
		return addLoop(files, lambda, filepath.Join(lambda, guestFolder), lambdaPackage+"/"+guestFolder)
	}
	// A fixed path, because it ends up in the module's build information.
	place := filepath.Join(filepath.VolumeName(lambda)+string(filepath.Separator), "lambent", "aws-lambda-go")
	if err := linkModule(files, filepath.Dir(lambda), place); err != nil {
		return err
	}
	if err := b.replaceDirective(ctx, files, place); err != nil {
		return err
	}
	lambda = filepath.Join(place, "lambda")
	return addLoop(files, lambda, filepath.Join(lambda, guestFolder), lambdaPackage+"/"+guestFolder)
}

// vendored reports whether aws-lambda-go lies in a vendor folder.
func (b *builder) vendored() bool {
	return strings.HasSuffix(b.prog.lambdaDir, filepath.Join(string(filepath.Separator)+"vendor", filepath.FromSlash(lambdaPackage)))
}

// within reports whether path lies in the folder root.
func within(path, root string) bool {
	rel, err := filepath.Rel(root, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// addLoop adds the loop to the package at lambda, and package guest, which it
// imports by path, at dir.
func addLoop(files *overlay, lambda, dir, path string) error {
	loop := bytes.Replace(directLoop, []byte(`"`+guestPackage+`"`), []byte(`guest "`+path+`"`), 1)
	if err := files.add(filepath.Join(lambda, loopFile), loop); err != nil {
		return err
	}
	// Serve is for programs without aws-lambda-go.
	return addSources(files, ".", dir, nil, "serve.go")
}

// addSources adds the files of one folder of guest.Sources at dir, after edit.
func addSources(files *overlay, from, dir string, edit func([]byte) []byte, except ...string) error {
	entries, err := fs.ReadDir(guest.Sources, from)
	if err != nil {
		return err
	}
	skip := map[string]bool{}
	for _, name := range except {
		skip[name] = true
	}
	for _, entry := range entries {
		name := entry.Name()
		if entry.IsDir() || strings.HasSuffix(name, "_test.go") || skip[name] {
			continue
		}
		name = strings.TrimPrefix(from+"/"+name, "./")
		source, err := fs.ReadFile(guest.Sources, name)
		if err != nil {
			return err
		}
		if edit != nil {
			source = edit(source)
		}
		if err := files.add(filepath.Join(dir, entry.Name()), source); err != nil {
			return err
		}
	}
	return nil
}

// linkModule shows the Go files of the module at root, without tests and
// without what the loop replaces, at place.
func linkModule(files *overlay, root, place string) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("build: reading %s: %w", lambdaModule, err)
		}
		name := entry.Name()
		switch {
		case entry.IsDir() && name == "testdata":
			return fs.SkipDir
		case entry.IsDir(), strings.HasSuffix(name, "_test.go"),
			!strings.HasSuffix(name, ".go") && name != "go.mod":
			return nil
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if filepath.Dir(rel) == "lambda" && unused[name] {
			return nil
		}
		files.link(filepath.Join(place, rel), path)
		return nil
	})
}

// replaceDirective shows the go.mod or, in a workspace, the go.work of the
// build with aws-lambda-go replaced by place. Other replacements of it go: the
// files shown at place are already those that they led to.
func (b *builder) replaceDirective(ctx context.Context, files *overlay, place string) error {
	file, args := b.tool.GOMOD, []string{"mod", "edit"}
	if b.tool.GOWORK != "" && b.tool.GOWORK != "off" {
		file, args = b.tool.GOWORK, []string{"work", "edit"}
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("build: %w", err)
	}
	edited := filepath.Join(b.temp, filepath.Base(file))
	if err := os.WriteFile(edited, content, 0o600); err != nil {
		return fmt.Errorf("build: %w", err)
	}
	if _, err := b.run(ctx, "editing "+filepath.Base(file), append(args, "-replace="+lambdaModule+"="+place, edited)...); err != nil {
		return err
	}
	files.link(file, edited)
	return nil
}
