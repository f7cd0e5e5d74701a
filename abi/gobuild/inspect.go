package gobuild

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	lambdaModule  = "github.com/aws/aws-lambda-go"
	lambdaPackage = lambdaModule + "/lambda"
	guestPackage  = "github.com/lambent-host/lambent/abi/guest"

	// minGo is the first Go 1.x that exports functions from a wasip1 module.
	minGo = 24
)

// toolchain is what the go command says about itself in the package's folder.
type toolchain struct {
	GOVERSION, GOMOD, GOWORK, GOMODCACHE, GOFLAGS string
}

// program is what there is to know about the package to build.
type program struct {
	importPath string
	lambdaDir  string // where aws-lambda-go/lambda lies, empty if not imported
	guest      bool   // package guest is imported
}

// command prepares the go command in the package's folder, for wasip1.
func (b *builder) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = b.dir
	interruptible(cmd)
	cmd.WaitDelay = 10 * time.Second // then it is killed
	cmd.Env = slices.Concat(b.Env, []string{"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOTMPDIR=" + b.temp})
	return cmd
}

// run runs the go command and returns its standard output; step names it in
// the error.
func (b *builder) run(ctx context.Context, step string, args ...string) ([]byte, error) {
	cmd := b.command(ctx, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return stdout.Bytes(), nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("build: %s: %w", step, ctx.Err())
	case errors.Is(err, exec.ErrNotFound):
		return nil, fmt.Errorf("build: the go command was not found; install Go 1.%d or newer from https://go.dev/dl: %w", minGo, err)
	case errors.As(err, &exit):
		return nil, &Error{b.dir, step, strings.TrimSpace(stderr.String())}
	}
	return nil, fmt.Errorf("build: %s: %w", step, err)
}

func (b *builder) toolchain(ctx context.Context) (toolchain, error) {
	var tool toolchain
	out, err := b.run(ctx, "asking the go command", "env", "-json", "GOVERSION", "GOMOD", "GOWORK", "GOMODCACHE", "GOFLAGS")
	if err != nil {
		return tool, err
	}
	if err := json.Unmarshal(out, &tool); err != nil {
		return tool, fmt.Errorf("build: what \"go env\" printed: %w", err)
	}
	if minor, ok := goMinor(tool.GOVERSION); ok && minor < minGo {
		return tool, fmt.Errorf("build: %s is too old for wasip1 reactors; Go 1.%d is needed", tool.GOVERSION, minGo)
	}
	return tool, nil
}

// goMinor reads N of "go1.N..."; development versions have no such name and
// are taken as they are.
func goMinor(version string) (int, bool) {
	rest, ok := strings.CutPrefix(version, "go1.")
	if !ok {
		return 0, false
	}
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(rest)
	}
	minor, err := strconv.Atoi(rest[:end])
	return minor, err == nil
}

// inspect lists the package and all it imports.
func (b *builder) inspect(ctx context.Context) (program, error) {
	var prog program
	args := append([]string{"list", "-deps", "-json=ImportPath,Name,Dir,DepOnly,Standard"}, b.sharedFlags()...)
	out, err := b.run(ctx, "the package cannot be built", append(args, ".")...)
	if err != nil {
		return prog, err
	}
	decoder := json.NewDecoder(bytes.NewReader(out))
	for {
		var pkg struct {
			ImportPath, Name, Dir string
			DepOnly, Standard     bool
		}
		if err := decoder.Decode(&pkg); errors.Is(err, io.EOF) {
			return prog, nil
		} else if err != nil {
			return prog, fmt.Errorf("build: what \"go list\" printed: %w", err)
		}
		switch {
		case !pkg.DepOnly && pkg.Name != "main":
			return prog, &Error{b.dir, "not a program", fmt.Sprintf("package %s is not a main package", pkg.Name)}
		case !pkg.DepOnly:
			prog.importPath = pkg.ImportPath
		case pkg.ImportPath == lambdaPackage:
			prog.lambdaDir = filepath.Clean(pkg.Dir)
		case pkg.ImportPath == guestPackage:
			prog.guest = true
		}
	}
}

// sharedFlags are the flags that listing and building have in common, because
// they decide which files belong to a package.
func (b *builder) sharedFlags() []string {
	tags, flags := []string{"lambda.norpc"}, []string{}
	for _, flag := range strings.Fields(b.tool.GOFLAGS) {
		flag = strings.TrimLeft(flag, "-")
		if list, ok := strings.CutPrefix(flag, "tags="); ok {
			tags = append(tags, list) // a flag on the command line hides GOFLAGS
		}
		if flag == "mod=mod" {
			flags = append(flags, "-mod=readonly") // mod=mod would write go.mod
		}
	}
	return append(flags, "-tags="+strings.Join(tags, ","))
}
