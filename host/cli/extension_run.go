package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lambent-host/lambent/extensions/place"
	"github.com/lambent-host/lambent/host"
)

const aboutExtensionRun = `Run is the loop in which an extension is written: it starts a host on loopback with
the extension and one function, invokes the function again and again, and prints as
it happens what the extension was sent and what it answered, what it wrote, and the
time it cost each invocation. When the source of the extension or the function
changes, both are built and started anew. Press Ctrl-C to end it.

The extension is an executable, or the folder of a Go main package. The function is a
module, a zip with one inside, or the folder of a Go main package. Variables given
with --env reach both, as on Lambda.`

// extensionRun is what the flags say.
type extensionRun struct {
	extension, function string
	event, eventFile    string
	every               time.Duration
	times               int
	env                 []string
	timeout             int
	isolation           string
	noWatch             bool
}

func (a *app) extensionRunCommand() *cobra.Command {
	in := extensionRun{every: 2 * time.Second, timeout: 10, event: "{}", isolation: string(place.None)}
	cmd := &cobra.Command{
		Use:   "run ./binary|./package --function DIR|FILE",
		Short: "Run an extension beside a function and show what passes between them",
		Long:  aboutExtensionRun,
		Example: "  lambent extension run ./my-extension --function ./functions/hello --event '{\"name\":\"Ada\"}'\n" +
			"  lambent extension run ./extensions/examples/timeline --function ./functions/hello --times 3",
		Args: positional("./binary or ./package"),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.extension = args[0]
			if err := in.check(); err != nil {
				return err
			}
			return a.runExtension(cmd.Context(), in)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&in.function, "function", "", "the function: a folder to build, a module or a zip")
	flags.StringVar(&in.event, "event", in.event, "the event of each invocation, JSON")
	flags.StringVar(&in.eventFile, "event-file", "", "read the event from this `FILE`")
	flags.DurationVar(&in.every, "every", in.every, "the time between two invocations")
	flags.IntVar(&in.times, "times", 0, "end after so many invocations, and watch nothing (default: go on until interrupted)")
	flags.StringArrayVar(&in.env, "env", nil, "`NAME=VALUE` for the function and the extension; can be given again")
	flags.IntVar(&in.timeout, "timeout", in.timeout, "the function's timeout in seconds")
	flags.StringVar(&in.isolation, "extension-isolation", in.isolation, "as of serve; isolated, the extension does not reach this machine's loopback")
	flags.BoolVar(&in.noWatch, "no-watch", false, "do not start anew when a source changes")
	return cmd
}

// check refuses what cannot work, before anything is built.
func (in *extensionRun) check() error {
	if in.function == "" {
		return usagef("run: --function is missing")
	}
	for _, path := range []string{in.extension, in.function} {
		if _, err := os.Stat(path); err != nil {
			return err
		}
	}
	if in.eventFile != "" {
		text, err := os.ReadFile(in.eventFile)
		if err != nil {
			return fmt.Errorf("--event-file: %w", err)
		}
		in.event = string(text)
	}
	switch {
	case !json.Valid([]byte(in.event)):
		return usagef("--event: %q is not JSON", in.event)
	case in.every <= 0:
		return usagef("--every: %s is not positive", in.every)
	case in.times < 0:
		return usagef("--times: %d is negative", in.times)
	case in.timeout < 1 || in.timeout > 900:
		return usagef("--timeout: %d is not from 1 to 900", in.timeout)
	}
	if _, err := place.ParseIsolation(in.isolation); err != nil {
		return usagef("--extension-isolation: %v", err)
	}
	for _, pair := range in.env {
		if name, _, ok := strings.Cut(pair, "="); !ok || name == "" {
			return usagef("--env: %q is not NAME=VALUE", pair)
		}
	}
	return nil
}

// errChanged ends a session because a source has changed.
var errChanged = errors.New("a source has changed")

// runExtension runs sessions until one ends by itself or ctx does.
func (a *app) runExtension(ctx context.Context, in extensionRun) error {
	work, err := os.MkdirTemp("", "lambent-extension-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	for number := 1; ; number++ {
		sources := watch(in.extension, in.function)
		s := &extensionSession{app: a, in: in, dir: filepath.Join(work, fmt.Sprint(number))}
		limited, cancel := context.WithCancelCause(ctx)
		if in.times == 0 && !in.noWatch {
			go func() {
				if sources.changed(limited) {
					cancel(errChanged)
				}
			}()
		}
		err := s.run(limited)
		changed := errors.Is(context.Cause(limited), errChanged)
		if err != nil && !changed && ctx.Err() == nil && in.times == 0 && !in.noWatch {
			// What does not build, or does not start, is waited for.
			fmt.Fprintf(a.Stderr, "lambent: %v\nwaiting for a change of the source\n", err)
			<-limited.Done()
			changed, err = errors.Is(context.Cause(limited), errChanged), nil
		}
		cancel(nil)
		switch {
		case ctx.Err() != nil:
			return nil // interrupted, which is how it ends
		case !changed:
			return err
		}
		fmt.Fprintln(a.Stdout, "\nThe source has changed.")
	}
}

// hostConfig is that of a session's host.
func (s *extensionSession) hostConfig() host.Config {
	cfg := host.DefaultConfig()
	cfg.Listen, cfg.DataDir, cfg.ExtensionsDir = "127.0.0.1:0", filepath.Join(s.dir, "data"), filepath.Join(s.dir, "extensions")
	if cache, err := os.UserCacheDir(); err == nil { // compiled modules serve the next session
		cfg.CompileCacheDir = filepath.Join(cache, "lambent", "compiled")
		cfg.CompileCacheKey = []byte("lambent extension run")
	}
	cfg.CPUQuota, cfg.ExtensionIsolation = host.QuotaOff, s.in.isolation
	cfg.Env, cfg.Version = s.app.Env, version()
	cfg.ExtensionActivity, cfg.ExtensionDelivery, cfg.TelemetrySettled = s.timeline.activity, s.timeline.delivery, s.timeline.settled
	return cfg
}
