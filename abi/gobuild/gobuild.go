// Package gobuild turns a Go main package into a WebAssembly module for
// Lambent by driving the go command. It is what "lambent build" does.
//
// The source stays as it is, and so do go.mod and go.sum: what has to be added
// is added through a build overlay, for this one build, and nothing is written
// into the user's folder. Three kinds of program are told apart by what they
// import:
//
//   - github.com/aws/aws-lambda-go/lambda: an ordinary Lambda function. It
//     becomes a reactor, with one of two seams (see [Seam]) put between
//     aws-lambda-go and package guest.
//   - github.com/lambent-host/lambent/abi/guest: a reactor already.
//   - neither: a WASI command, the event on stdin, the response on stdout.
//
// Builds are reproducible: the same source and go command give the same bytes,
// whatever the folders are called. The build cache of the go command is used
// and is enough. Read next: inspect.go, then direct.go; package guest is what
// is put in.
package gobuild

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/lambent-host/lambent/abi"
)

// Seam is the place where an aws-lambda-go program meets the host.
type Seam uint8

// The seams.
const (
	// SeamAuto takes SeamDirect and, when that does not build, SeamRuntimeAPI.
	SeamAuto Seam = iota
	// SeamDirect replaces aws-lambda-go's own loop by one that calls the host:
	// fast and small, because net/http is left out, for versions from 1.34 on.
	SeamDirect
	// SeamRuntimeAPI leaves aws-lambda-go alone and serves the Runtime API over
	// HTTP inside the guest: any version, several times slower.
	SeamRuntimeAPI
	// SeamNone is reported for a program without aws-lambda-go.
	SeamNone
)

// String names the seam for messages.
func (s Seam) String() string {
	names := [...]string{"auto", "direct", "runtime-api", "none"}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("Seam(%d)", uint8(s))
}

// Options say what to build. The zero value of each field but Dir and Out is
// a choice of its own.
type Options struct {
	// Dir is the folder of the main package.
	Dir string
	// Out is the file to write; its folder must exist. It is replaced at once
	// or, when the build fails, left alone.
	Out string
	// Progress is told about each step before it begins, in words for a person.
	Progress func(step string)
	// Env is the environment of the go command; nil means os.Environ(). GOOS,
	// GOARCH and CGO_ENABLED are set by Build.
	Env []string
	// Seam chooses the seam of an aws-lambda-go program.
	Seam Seam
	// KeepSymbols keeps symbol table and debug information, which are left out
	// otherwise (a third of the size).
	KeepSymbols bool
}

// Report says what was built.
type Report struct {
	// Out is the file that was written, Size its length in bytes.
	Out  string
	Size int64
	// Kind is what the module is to the host.
	Kind abi.Kind
	// Seam is the one that was used, SeamNone without aws-lambda-go.
	Seam Seam
	// Fallback says why SeamAuto did not take SeamDirect; empty when it did.
	Fallback string
}

// Error is a build that failed for a reason that lies in the source or in the
// go command; Output is what that said, with the compiler's positions.
type Error struct {
	Dir, Step, Output string
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s: %s\n%s", e.Dir, e.Step, e.Output)
}

// Build builds the package as opts say. Errors are an *Error, or about the
// environment: no go command, one older than 1.24, a file that cannot be
// written. Cancelling ctx ends the go command. It is safe for concurrent use.
func Build(ctx context.Context, opts Options) (Report, error) {
	if opts.Dir == "" {
		return Report{}, errors.New("build: Dir is empty: it must name the folder of a main package")
	}
	if opts.Out == "" {
		return Report{}, errors.New("build: Out is empty: it must name the file to write")
	}
	if opts.Progress == nil {
		opts.Progress = func(string) {}
	}
	if opts.Env == nil {
		opts.Env = os.Environ()
	}
	temp, err := os.MkdirTemp("", "lambent-build-")
	if err != nil {
		return Report{}, fmt.Errorf("build: %w", err)
	}
	defer func() { _ = os.RemoveAll(temp) }()
	b := &builder{Options: opts, temp: temp}
	if b.dir, err = filepath.Abs(opts.Dir); err != nil {
		return Report{}, fmt.Errorf("build: %w", err)
	}
	info, err := os.Stat(b.dir)
	switch {
	case err != nil:
		return Report{}, fmt.Errorf("build: %w", err)
	case !info.IsDir():
		return Report{}, fmt.Errorf("build: %s is not a folder; name the one of the main package", b.dir)
	}
	return b.build(ctx)
}

// builder is one build.
type builder struct {
	Options
	dir  string // Options.Dir, absolute
	temp string // a folder for this build, removed at its end
	tool toolchain
	prog program
}

func (b *builder) build(ctx context.Context) (Report, error) {
	b.Progress("reading the package")
	var err error
	if b.tool, err = b.toolchain(ctx); err != nil {
		return Report{}, err
	}
	if b.prog, err = b.inspect(ctx); err != nil {
		return Report{}, err
	}
	report := Report{Kind: abi.KindReactor, Seam: SeamNone}
	switch {
	case b.prog.lambdaDir != "" && b.prog.guest:
		return Report{}, &Error{b.dir, "two runtimes", "the package imports both " + lambdaPackage + " and " + guestPackage + "; a function has one"}
	case b.prog.lambdaDir != "":
		report.Seam, report.Fallback, err = b.buildLambda(ctx)
	case b.prog.guest:
		err = b.compile(ctx, nil, true)
	default:
		report.Kind = abi.KindCommand
		err = b.compile(ctx, nil, false)
	}
	if err != nil {
		return Report{}, err
	}
	report.Out = b.Out
	report.Size, err = install(b.module(), b.Out)
	return report, err
}

// buildLambda builds an aws-lambda-go program with the seam that was asked for
// or, if none was, the best that works.
func (b *builder) buildLambda(ctx context.Context) (Seam, string, error) {
	if b.Seam == SeamRuntimeAPI {
		return SeamRuntimeAPI, "", b.buildSeam(ctx, b.runtimeAPIOverlay)
	}
	direct := b.buildSeam(ctx, b.directOverlay)
	if direct == nil || b.Seam == SeamDirect || ctx.Err() != nil {
		return SeamDirect, "", direct
	}
	// Whether the seam or the program is at fault is told by the other seam: it
	// compiles the program with nothing but a file added.
	b.Progress("trying the other seam")
	if err := b.buildSeam(ctx, b.runtimeAPIOverlay); err != nil {
		return 0, "", err
	}
	return SeamRuntimeAPI, direct.Error(), nil
}

func (b *builder) buildSeam(ctx context.Context, seam func(context.Context, *overlay) error) error {
	files := newOverlay(b.temp)
	if err := seam(ctx, files); err != nil {
		return err
	}
	return b.compile(ctx, files, true)
}
