package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/lambent-host/lambent/host"
	"github.com/lambent-host/lambent/host/client"
	"github.com/lambent-host/lambent/host/lambdaapi"
	"github.com/lambent-host/lambent/telemetry"
)

// watchedFunction is the name of the function beside an extension that is run.
const watchedFunction = "function"

// extensionSession is one life of the host between two changes of a source.
type extensionSession struct {
	app      *app
	in       extensionRun
	dir      string // its own
	timeline *timeline
}

// run builds, serves and invokes until ctx ends, or so often as was asked for.
func (s *extensionSession) run(ctx context.Context) (err error) {
	s.timeline = newTimeline(s.app.Stdout)
	if err := os.MkdirAll(filepath.Join(s.dir, "extensions"), 0o755); err != nil { //nolint:gosec // extensions may have a user of their own
		return err
	}
	if err := s.placeExtension(ctx); err != nil {
		return err
	}
	code, err := s.app.code(ctx, s.in.function)
	if err != nil {
		return err
	}
	cfg := s.hostConfig()
	log := zerolog.New(zerolog.ConsoleWriter{Out: s.app.Stderr, NoColor: !isTerminal(s.app.Stderr)}).Level(zerolog.ErrorLevel)
	h, err := host.New(ctx, cfg, log)
	if err != nil {
		return err
	}
	events := h.Telemetry(telemetry.SubscriptionConfig{})
	read := make(chan struct{})
	go func() { defer close(read); s.timeline.read(events) }()
	h.Start()
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.ShutdownTimeout)
		defer cancel()
		err = errors.Join(err, h.Shutdown(ctx)) // which ends the events as well
		<-read
		s.timeline.summary()
	}()
	return s.invoke(ctx, client.New("http://"+h.Addr()), code)
}

// placeExtension puts the executable where the host looks for it, built or copied: a
// file that is written over while it runs would end it.
func (s *extensionSession) placeExtension(ctx context.Context) error {
	from, err := filepath.Abs(s.in.extension)
	if err != nil {
		return err
	}
	to := filepath.Join(s.dir, "extensions", filepath.Base(from))
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return copyFile(from, to, info.Mode())
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", to, ".")
	build.Dir, build.Env = from, s.app.Env
	build.Cancel = func() error { return build.Process.Signal(os.Interrupt) }
	build.WaitDelay = 10 * time.Second
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the extension: %w\n%s", err, out)
	}
	return nil
}

func copyFile(from, to string, mode os.FileMode) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }() // only read
	target, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode.Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Close())
}

// invoke deploys the function and invokes it at the pace that was asked for.
func (s *extensionSession) invoke(ctx context.Context, c *client.Client, code []byte) error {
	defer c.CloseIdle()
	name, role, timeout := watchedFunction, "arn:aws:iam::000000000000:role/extension", s.in.timeout
	variables := map[string]string{}
	for _, pair := range s.in.env {
		key, value, _ := strings.Cut(pair, "=") // checked
		variables[key] = value
	}
	_, _, err := c.Deploy(ctx, &lambdaapi.CreateFunctionRequest{
		FunctionName: &name, Role: &role, Code: &lambdaapi.FunctionCode{ZipFile: code},
		FunctionSettings: lambdaapi.FunctionSettings{Timeout: &timeout, Environment: &lambdaapi.Environment{Variables: variables}},
	})
	if err != nil {
		return err
	}
	s.timeline.start()
	pace := time.NewTicker(s.in.every)
	defer pace.Stop()
	for n := 1; ; n++ {
		s.timeline.say("", fmt.Sprintf("invocation %d", n), "")
		began := time.Now()
		out, err := c.Invoke(ctx, client.InvokeInput{Name: name, Payload: []byte(s.in.event)})
		if err != nil {
			return endOf(ctx, err)
		}
		s.timeline.answered(n, time.Since(began), out)
		if n == s.in.times {
			return nil
		}
		select {
		case <-pace.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// endOf is no error if it came because ctx ended.
func endOf(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}
