package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/lambent-host/lambent/extensions/place"
	"github.com/lambent-host/lambent/host"
	"github.com/lambent-host/lambent/host/client"
	"github.com/lambent-host/lambent/host/lambdaapi"
)

const aboutDemo = `Demo shows Lambent at work, in a checkout of its source: it builds the function
functions/hello for WebAssembly and the extension extensions/examples/timeline as
a process, starts a host on loopback with its data in a temporary folder, creates
the function over the HTTP API, and invokes it cold, warm, asynchronously, with an
error and past its timeout. Then it shows what the extension was told, and what a
cold start costs beside a warm one. Nothing is left behind.`

// modulePath is the module the demo's sources are part of.
const modulePath = "github.com/lambent-host/lambent"

// demoFunction is the name the demo gives its function, and demoTimeout its
// timeout in seconds: one of the invocations waits for it.
const (
	demoFunction = "demo-lambda"
	demoTimeout  = 1
)

// How long the parts of the demo may take: the first on a slow machine with
// empty caches that has to download.
const (
	buildLimit = 20 * time.Minute
	playLimit  = 5 * time.Minute
)

// demo is one run of the demo.
type demo struct {
	app  *app
	keep bool
	addr string

	source     string // the checkout
	work       string // everything made on the way
	extensions string
	timeline   string // what the extension writes
	module     []byte
	client     *client.Client
}

func (a *app) demoCommand() *cobra.Command {
	d := &demo{app: a}
	cmd := &cobra.Command{
		Use:     "demo",
		Short:   "Build a function and an extension, run them, and show what happened",
		Long:    aboutDemo,
		Example: "  lambent demo\n  lambent demo --keep",
		Args:    positional(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return d.run(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&d.keep, "keep", false, "leave the host up until interrupted, and print what to type next")
	cmd.Flags().StringVar(&d.addr, "listen", "127.0.0.1:0", "address of the host; port 0 takes a free one")
	return cmd
}

func (d *demo) run(ctx context.Context) (err error) {
	if d.source, err = findCheckout(ctx, d.app.Env); err != nil {
		return err
	}
	if d.work, err = os.MkdirTemp("", "lambent-demo-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(d.work)) }()
	d.extensions = filepath.Join(d.work, "extensions")
	d.timeline = filepath.Join(d.work, "timeline.jsonl")
	if err := within(ctx, buildLimit, d.build); err != nil {
		return err
	}
	return d.serve(ctx)
}

// within gives one part of the demo an end that comes of itself, and says in its
// error why it ended early where it did.
func within(ctx context.Context, limit time.Duration, part func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("this part of the demo took longer than %v", limit))
	defer cancel()
	err := part(ctx)
	if err != nil && ctx.Err() != nil {
		err = errors.Join(context.Cause(ctx), err)
	}
	return err
}

// findCheckout returns the root of the module when the working folder is in it.
func findCheckout(ctx context.Context, env []string) (string, error) {
	list := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Path}} {{.Dir}}")
	list.Env = env
	out, err := list.Output()
	if errors.Is(err, exec.ErrNotFound) {
		return "", errors.New("the demo builds from source and needs the go command, which is not in PATH")
	}
	path, dir, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	if err != nil || path != modulePath {
		return "", fmt.Errorf("the demo builds from source: run it in a checkout of %s", modulePath)
	}
	return dir, nil
}

// build makes the module and the extension.
func (d *demo) build(ctx context.Context) error {
	err := d.app.step("build functions/hello for WebAssembly", func() (err error) {
		quiet := *d.app
		quiet.Stderr = new(strings.Builder)
		d.module, err = quiet.buildModule(ctx, filepath.Join(d.source, "functions", "hello"))
		return err
	})
	if err != nil {
		return err
	}
	return d.app.step("build extensions/examples/timeline as a process", func() error {
		if err := os.Mkdir(d.extensions, 0o755); err != nil {
			return err
		}
		return d.buildExtension(ctx)
	})
}

// buildExtension has the go command make its temporary files in the demo's own
// folder: interrupted, it can leave them.
func (d *demo) buildExtension(ctx context.Context) error {
	build := exec.CommandContext(ctx, "go", "build", "-o", d.extensions, "./extensions/examples/timeline")
	build.Dir, build.Env = d.source, append(slices.Clone(d.app.Env), "GOTMPDIR="+d.work)
	build.Cancel = func() error { return build.Process.Signal(os.Interrupt) }
	build.WaitDelay = 10 * time.Second // then it is killed
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the extension: %w\n%s", err, out)
	}
	return nil
}

// serve runs the host while the demo talks to it, and with --keep until ctx is
// done.
func (d *demo) serve(ctx context.Context) (err error) {
	cfg := host.DefaultConfig()
	cfg.Listen, cfg.DataDir, cfg.ExtensionsDir = d.addr, filepath.Join(d.work, "data"), d.extensions
	cfg.ExtensionIsolation = string(place.None) // the timeline is written to a file of this machine
	cfg.Env, cfg.Version = d.app.Env, version()
	log := zerolog.New(zerolog.ConsoleWriter{Out: d.app.Stderr, NoColor: !isTerminal(d.app.Stderr)}).Level(zerolog.ErrorLevel)
	h, err := host.New(ctx, cfg, log)
	if err != nil {
		return err
	}
	h.Start()
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.ShutdownTimeout)
		defer cancel()
		err = errors.Join(err, h.Shutdown(ctx))
	}()
	d.client = client.New("http://" + h.Addr())
	defer d.client.CloseIdle()
	fmt.Fprintf(d.app.Stdout, "A host listens on http://%s\n", h.Addr())
	if err := within(ctx, playLimit, d.play); err != nil {
		return err
	}
	if d.keep {
		d.explain(h.Addr())
		<-ctx.Done()
	}
	return nil
}

// play is what the demo shows, in order.
func (d *demo) play(ctx context.Context) error {
	for _, act := range []func(context.Context) error{d.create, d.invocations, d.showTimeline, d.compare} {
		if err := act(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) create(ctx context.Context) error {
	name, role, timeout := demoFunction, "arn:aws:iam::000000000000:role/demo", demoTimeout
	return d.app.step("create the function "+name+" and wait until it is compiled", func() error {
		_, _, err := d.client.Deploy(ctx, &lambdaapi.CreateFunctionRequest{
			FunctionName: &name, Role: &role, Code: &lambdaapi.FunctionCode{ZipFile: d.module},
			FunctionSettings: lambdaapi.FunctionSettings{
				Timeout:     &timeout,
				Environment: &lambdaapi.Environment{Variables: map[string]string{"TIMELINE_FILE": d.timeline}},
			},
		})
		return err
	})
}

// explain prints what a person can type at a host that stays.
func (d *demo) explain(addr string) {
	fmt.Fprintf(d.app.Stdout, `
The host stays at http://%[1]s until you press Ctrl-C. In another terminal:

  curl -d '{"name":"Ada"}' http://%[1]s/2015-03-31/functions/%[2]s/invocations
  go run ./host/cmd/lambent invoke %[2]s --endpoint http://%[1]s --payload '{"name":"Ada"}' --log
  aws lambda invoke --endpoint-url http://%[1]s --function-name %[2]s --cli-binary-format raw-in-base64-out --payload '{"name":"Ada"}' --region us-east-1 response.json
`, addr, demoFunction)
}

// step does something that takes its time, shows that it goes on, and how long
// it took.
func (a *app) step(what string, do func() error) error {
	began := time.Now()
	stop := showProgress(a.Stdout, what)
	err := do()
	stop()
	mark := "done"
	if err != nil {
		mark = "failed"
	}
	fmt.Fprintf(a.Stdout, "%-66s %s, %.1f s\n", what, mark, time.Since(began).Seconds())
	return err
}
