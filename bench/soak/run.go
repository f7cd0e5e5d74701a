package soak

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/lambent-host/lambent/abi/gobuild"
	"github.com/lambent-host/lambent/bench/measure"
	"github.com/lambent-host/lambent/bench/telemetry"
	"github.com/lambent-host/lambent/extensions"
	"github.com/lambent-host/lambent/host"
	"github.com/lambent-host/lambent/host/client"
	"github.com/lambent-host/lambent/host/lambdaapi"
)

// extensionNames are those of package bench/telemetry's subscriber.
var extensionNames = []string{"invoke0", "observe0", "refuse0"}

// Run does all of it. progress, which may be nil, is told what goes on. The program
// must have called publish.ExitIfChild and place.ExitIfChild.
//
// A host that does not stand up to it is no error of Run: it is in [Report.Faults].
func Run(ctx context.Context, cfg Config, progress func(string)) (_ *Report, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("soak configuration: %w", err)
	}
	if progress == nil {
		progress = func(string) {}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, cfg.Limit, fmt.Errorf("the soak took longer than %v", cfg.Limit))
	defer cancel()
	work, err := os.MkdirTemp("", "lambent-soak-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	s := &soak{cfg: cfg, work: work, progress: progress, report: newReport(cfg)}
	if err := s.build(ctx); err != nil {
		return nil, errors.Join(err, context.Cause(ctx))
	}
	// What the process opens once and keeps is there after a rehearsal.
	if err := s.stand(ctx, "rehearsal", 1, s.calm); err != nil {
		return nil, errors.Join(err, context.Cause(ctx))
	}
	s.report = newReport(cfg)
	before := now()
	err = s.stand(ctx, "soak", cfg.Functions, func(ctx context.Context, functions int) error {
		return errors.Join(s.storm(ctx), s.calm(ctx, functions))
	})
	if err != nil {
		return nil, errors.Join(err, context.Cause(ctx))
	}
	progress("looking for what is left")
	s.report.Before = before
	s.report.After = settle(before)
	s.report.judge()
	s.report.Finish()
	return s.report, nil
}

// soak is one run.
type soak struct {
	cfg        Config
	work       string
	progress   func(string)
	report     *Report
	modules    map[string][]byte // by folder in functions
	subscriber string
	host       *host.Host
	client     *client.Client

	mu sync.Mutex // of the report
}

func (s *soak) build(ctx context.Context) error {
	root, err := measure.Checkout(ctx)
	if err != nil {
		return err
	}
	if s.subscriber, err = telemetry.BuildSubscriber(ctx, root, s.work); err != nil {
		return err
	}
	s.modules = map[string][]byte{}
	for _, kind := range kinds {
		s.progress("building functions/" + kind.source)
		out := filepath.Join(s.work, kind.source+".wasm")
		if _, err := gobuild.Build(ctx, gobuild.Options{Dir: filepath.Join(root, "functions", kind.source), Out: out}); err != nil {
			return fmt.Errorf("build functions/%s: %w", kind.source, err)
		}
		if s.modules[kind.source], err = os.ReadFile(out); err != nil {
			return err
		}
	}
	return nil
}

// stand runs a host from its start to its end, in a folder of its own.
func (s *soak) stand(ctx context.Context, folder string, functions int, act func(ctx context.Context, functions int) error) (err error) {
	hc := host.DefaultConfig()
	hc.Listen, hc.DataDir = "127.0.0.1:0", filepath.Join(s.work, folder, "data")
	hc.ExtensionsDir = filepath.Join(s.work, folder, "extensions")
	hc.EnvironmentIdle = 20 * time.Second // some go idle and are ended meanwhile
	hc.TelemetrySettled = s.settled
	if err := telemetry.Folder(hc.ExtensionsDir, s.subscriber, extensionNames); err != nil {
		return err
	}
	if s.host, err = host.New(ctx, hc, zerolog.Nop()); err != nil {
		return err
	}
	s.host.Start()
	s.client = client.New("http://" + s.host.Addr())
	defer func() {
		s.client.CloseIdle()
		s.progress("ending the host")
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		err = errors.Join(err, s.host.Shutdown(ctx))
	}()
	for n := range functions {
		if err := s.deploy(ctx, n); err != nil {
			return err
		}
	}
	return act(ctx, functions)
}

func functionName(n int) string { return fmt.Sprintf("soak-%03d", n) }

func (s *soak) deploy(ctx context.Context, n int) error {
	kind := kindOf(n)
	s.progress(fmt.Sprintf("deploying function %d of %d", n+1, s.cfg.Functions))
	name, role, runtime, handler, timeout := functionName(n), "arn:aws:iam::000000000000:role/bench", lambdaapi.DefaultRuntime, "bootstrap", timeoutSeconds
	if _, _, err := s.client.Deploy(ctx, &lambdaapi.CreateFunctionRequest{
		FunctionName: &name, Role: &role, Code: &lambdaapi.FunctionCode{ZipFile: s.modules[kind.source]},
		FunctionSettings: lambdaapi.FunctionSettings{Runtime: &runtime, Handler: &handler, Timeout: &timeout},
	}); err != nil {
		return fmt.Errorf("deploy functions/%s: %w", kind.source, err)
	}
	return nil
}

// calm holds that every function answers once nothing is broken any more.
func (s *soak) calm(ctx context.Context, functions int) error {
	s.progress("invoking every function once more")
	for n := range functions {
		out, err := s.client.Invoke(ctx, client.InvokeInput{Name: functionName(n), Payload: []byte(kindOf(n).fine)})
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			s.report.Silent = append(s.report.Silent, fmt.Sprintf("%s: %v", functionName(n), err))
		case !kindOf(n).answers(out):
			s.report.Silent = append(s.report.Silent, fmt.Sprintf("%s: %.200s", functionName(n), out.Payload))
		}
	}
	return nil
}

// settled takes the account of a subscription.
func (s *soak) settled(a extensions.Account) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.report.account(a)
}
