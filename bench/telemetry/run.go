package telemetry

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/lambent-host/lambent/abi/gobuild"
	"github.com/lambent-host/lambent/bench/measure"
)

// Run builds the function and the subscriber, starts the hosts and measures.
// progress, which may be nil, is told what goes on. The program must have called
// publish.ExitIfChild.
func Run(ctx context.Context, cfg Config, progress func(string)) (_ *Report, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("telemetry configuration: %w", err)
	}
	if progress == nil {
		progress = func(string) {}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, cfg.Limit, fmt.Errorf("the bench took longer than %v", cfg.Limit))
	defer cancel()
	report := &Report{Head: measure.NewHead(), Config: cfg}
	work, err := os.MkdirTemp("", "lambent-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	b := &trial{cfg: cfg, work: work, progress: progress, report: report}
	for _, step := range []func(context.Context) error{b.build, b.loads, b.deliveries} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, context.Cause(ctx))
		}
	}
	report.Finish()
	return report, nil
}

// trial is one run.
type trial struct {
	cfg        Config
	work       string
	progress   func(string)
	report     *Report
	module     []byte // the function
	subscriber string // path of the executable
}

func (b *trial) build(ctx context.Context) error {
	root, err := measure.Checkout(ctx)
	if err != nil {
		return err
	}
	b.progress("building functions/" + b.cfg.Function + " and the subscriber")
	out := filepath.Join(b.work, "guest.wasm")
	if _, err := gobuild.Build(ctx, gobuild.Options{Dir: filepath.Join(root, "functions", b.cfg.Function), Out: out}); err != nil {
		return fmt.Errorf("build the function: %w", err)
	}
	if b.module, err = os.ReadFile(out); err != nil {
		return err
	}
	b.subscriber, err = BuildSubscriber(ctx, root, b.work)
	return err
}

// BuildSubscriber builds the subscriber from the checkout at root into dir and
// returns the path of the executable.
func BuildSubscriber(ctx context.Context, root, dir string) (string, error) {
	path := filepath.Join(dir, "subscriber")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, "./bench/telemetry/subscriber")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the subscriber: %w: %.300s", err, out)
	}
	return path, nil
}

// Folder makes a folder of extensions in dir: a link to the executable for each name.
func Folder(dir, executable string, names []string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, name := range names {
		if err := os.Link(executable, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}
