package hog

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
	"github.com/lambent-host/lambent/host"
	"github.com/lambent-host/lambent/host/client"
	"github.com/lambent-host/lambent/host/lambdaapi"
)

// Run starts a host on loopback and measures each number of spinners. progress,
// which may be nil, is told what goes on. The program must have called
// publish.ExitIfChild.
func Run(ctx context.Context, cfg Config, progress func(string)) (_ *Report, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("hog configuration: %w", err)
	}
	if progress == nil {
		progress = func(string) {}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, cfg.Limit, fmt.Errorf("the bench took longer than %v", cfg.Limit))
	defer cancel()
	report := &Report{Head: measure.NewHead(), Config: cfg}
	s := &stage{cfg: cfg}
	defer func() { err = errors.Join(err, s.close(context.WithoutCancel(ctx))) }()
	if err := s.open(ctx, progress); err != nil {
		return nil, errors.Join(err, context.Cause(ctx))
	}
	for _, n := range cfg.Spinners {
		progress(fmt.Sprintf("beside %d that spin", n))
		row, err := s.measure(ctx, n)
		if err != nil {
			return nil, errors.Join(err, context.Cause(ctx))
		}
		report.Rows = append(report.Rows, row)
	}
	report.Finish()
	return report, nil
}

// The functions.
const (
	quiet = "quiet"
	spin  = "spin"
)

// stage is a host with the two functions.
type stage struct {
	cfg    Config
	work   string
	host   *host.Host
	client *client.Client
}

func (s *stage) open(ctx context.Context, progress func(string)) (err error) {
	if s.work, err = os.MkdirTemp("", "lambent-bench-"); err != nil {
		return err
	}
	hc := host.DefaultConfig()
	hc.Listen, hc.DataDir, hc.CPUQuota = "127.0.0.1:0", filepath.Join(s.work, "data"), s.cfg.Quota
	if s.host, err = host.New(ctx, hc, zerolog.Nop()); err != nil {
		return err
	}
	s.host.Start()
	s.client = client.New("http://" + s.host.Addr())
	root, err := measure.Checkout(ctx)
	if err != nil {
		return err
	}
	for name, source := range map[string]string{quiet: "echo", spin: "spin"} {
		progress("building and publishing functions/" + source)
		if err := s.deploy(ctx, name, filepath.Join(root, "functions", source)); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) deploy(ctx context.Context, name, dir string) error {
	out := filepath.Join(s.work, name+".wasm")
	if _, err := gobuild.Build(ctx, gobuild.Options{Dir: dir, Out: out}); err != nil {
		return fmt.Errorf("build %s: %w", dir, err)
	}
	wasm, err := os.ReadFile(out)
	if err != nil {
		return err
	}
	// A spinner ends itself some seconds after it has served its purpose.
	timeout := int((s.cfg.Settle+s.cfg.Duration)/time.Second) + 5
	role, runtime, handler := "arn:aws:iam::000000000000:role/bench", lambdaapi.DefaultRuntime, "bootstrap"
	_, _, err = s.client.Deploy(ctx, &lambdaapi.CreateFunctionRequest{
		FunctionName: &name, Role: &role, Code: &lambdaapi.FunctionCode{ZipFile: wasm},
		FunctionSettings: lambdaapi.FunctionSettings{Runtime: &runtime, Handler: &handler, MemorySize: &s.cfg.MemoryMB, Timeout: &timeout},
	})
	return err
}

// measure has guests spin and invokes the quiet function meanwhile.
func (s *stage) measure(ctx context.Context, spinners int) (Row, error) {
	var spinning sync.WaitGroup
	early := make(chan error, spinners)
	for range spinners {
		spinning.Go(func() {
			out, err := s.client.Invoke(ctx, client.InvokeInput{Name: spin, Payload: []byte("{}")})
			if err != nil || out.FunctionError == "" {
				early <- fmt.Errorf("a guest that spins came back: %w", err)
			}
		})
	}
	if spinners > 0 {
		if err := s.invokeFor(ctx, s.cfg.Settle, func(time.Duration) {}); err != nil {
			return Row{}, err
		}
	} else if err := s.invokeFor(ctx, min(s.cfg.Settle, time.Second), func(time.Duration) {}); err != nil {
		return Row{}, err
	}
	before := readRuntime()
	var took []time.Duration
	if err := s.invokeFor(ctx, s.cfg.Duration, func(d time.Duration) { took = append(took, d) }); err != nil {
		return Row{}, err
	}
	row := rowOf(spinners, took, readRuntime().since(before))
	select {
	case err := <-early:
		return Row{}, err
	default:
	}
	spinning.Wait()
	return row, nil
}

// invokeFor invokes the quiet function at the configured rate for a while.
func (s *stage) invokeFor(ctx context.Context, d time.Duration, took func(time.Duration)) error {
	began := time.Now()
	for n := 0; ; n++ {
		due := began.Add(time.Duration(n) * s.cfg.Interval)
		if due.Sub(began) >= d || time.Since(began) >= d {
			return ctx.Err()
		}
		time.Sleep(time.Until(due))
		out, err := s.client.Invoke(ctx, client.InvokeInput{Name: quiet, Payload: []byte(`{"key1":"value1"}`)})
		if err != nil {
			return fmt.Errorf("invoke the quiet function: %w", err)
		}
		if out.FunctionError != "" {
			return fmt.Errorf("the quiet function fails: %.200s", out.Payload)
		}
		took(time.Since(due))
	}
}

func (s *stage) close(ctx context.Context) error {
	var errs []error
	if s.client != nil {
		s.client.CloseIdle()
	}
	if s.host != nil {
		ctx, cancel := context.WithTimeout(ctx, time.Minute+s.cfg.Settle+s.cfg.Duration)
		defer cancel()
		errs = append(errs, s.host.Shutdown(ctx))
	}
	if s.work != "" {
		errs = append(errs, os.RemoveAll(s.work))
	}
	return errors.Join(errs...)
}
