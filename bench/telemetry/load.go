package telemetry

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/lambent-host/lambent/bench"
	"github.com/lambent-host/lambent/bench/measure"
	"github.com/lambent-host/lambent/extensions"
	"github.com/lambent-host/lambent/host"
	"github.com/lambent-host/lambent/host/client"
	"github.com/lambent-host/lambent/host/lambdaapi"
)

// none is the case that the others are compared with.
const none = "none"

// cases are the ways to subscribe: a name, and the names of the extensions.
func cases(many int) []Load {
	all := []Load{
		{Case: none},
		{Case: "one", Extensions: []string{"observe0"}},
		{Case: "one with INVOKE", Extensions: []string{"invoke0"}},
		{Case: "many"},
		{Case: "many with INVOKE"},
		{Case: "one that hangs", Extensions: []string{"hang0"}},
		{Case: "one beside one that hangs", Extensions: []string{"hang0", "observe0"}},
	}
	for n := range many {
		all[3].Extensions = append(all[3].Extensions, fmt.Sprint("observe", n))
		all[4].Extensions = append(all[4].Extensions, fmt.Sprint("invoke", n))
	}
	return all
}

// functionName is the function's.
const functionName = "bench"

// stage is one host with one way to subscribe.
type stage struct {
	Load
	host    *host.Host
	payload []byte
	answer  []byte

	mu       sync.Mutex
	accounts []extensions.Account
}

func (st *stage) settled(a extensions.Account) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.accounts = append(st.accounts, a)
}

// loads measures the throughput of warm invocations.
func (b *trial) loads(ctx context.Context) (err error) {
	var stages []*stage
	defer func() {
		for _, st := range stages {
			err = errors.Join(err, st.close(context.WithoutCancel(ctx)))
			st.account()
			b.report.Loads = append(b.report.Loads, st.Load)
		}
		if err == nil {
			b.report.compare()
		}
	}()
	for n, load := range cases(b.cfg.Many) {
		b.progress("starting a host: " + load.Case)
		st := &stage{Load: load, payload: bench.Order()}
		stages = append(stages, st)
		if err := b.open(ctx, st, n); err != nil {
			return fmt.Errorf("%s: %w", load.Case, err)
		}
		if n == 0 { // while nothing is delivered to others
			b.progress("counting allocations")
			if b.report.Allocations, err = b.allocations(ctx, st); err != nil {
				return err
			}
		}
	}
	for round := range b.cfg.Rounds {
		b.progress(fmt.Sprintf("round %d of %d", round+1, b.cfg.Rounds))
		for n := range stages {
			st := stages[(n+round)%len(stages)] // nobody is always first
			if err := b.load(ctx, st); err != nil {
				return fmt.Errorf("%s: %w", st.Case, err)
			}
		}
	}
	return nil
}

func (b *trial) open(ctx context.Context, st *stage, n int) (err error) {
	dir := filepath.Join(b.work, fmt.Sprint("host", n))
	hc := host.DefaultConfig()
	hc.Listen, hc.DataDir, hc.CPUQuota = "127.0.0.1:0", filepath.Join(dir, "data"), host.QuotaOff
	hc.CompileCacheDir, hc.CompileCacheKey = filepath.Join(b.work, "compiled"), []byte("of bench") // the hosts compile once
	hc.TelemetrySettled = st.settled
	if len(st.Extensions) > 0 {
		hc.ExtensionsDir = filepath.Join(dir, "extensions")
		if err := Folder(hc.ExtensionsDir, b.subscriber, st.Extensions); err != nil {
			return err
		}
	}
	if st.host, err = host.New(ctx, hc, zerolog.Nop()); err != nil {
		return err
	}
	st.host.Start()
	manage := client.New(st.endpoint())
	defer manage.CloseIdle()
	name, role, runtime, handler, timeout := functionName, "arn:aws:iam::000000000000:role/bench", lambdaapi.DefaultRuntime, "bootstrap", 30
	if _, _, err := manage.Deploy(ctx, &lambdaapi.CreateFunctionRequest{
		FunctionName: &name, Role: &role, Code: &lambdaapi.FunctionCode{ZipFile: b.module},
		FunctionSettings: lambdaapi.FunctionSettings{Runtime: &runtime, Handler: &handler, Timeout: &timeout},
	}); err != nil {
		return fmt.Errorf("deploy the function: %w", err)
	}
	out, err := manage.Invoke(ctx, client.InvokeInput{Name: functionName, Payload: st.payload})
	if err != nil || out.FunctionError != "" {
		return fmt.Errorf("invoke the function: %w, answer %.200s", err, out.Payload)
	}
	st.answer = out.Payload
	return nil
}

func (st *stage) endpoint() string { return "http://" + st.host.Addr() }

// load sends one round of requests.
func (b *trial) load(ctx context.Context, st *stage) error {
	warmup := min(b.cfg.Requests, 20*b.cfg.Concurrency)
	cpu := cpuTime()
	result, err := bench.RunLoad(ctx, bench.LoadConfig{
		URL: st.endpoint() + "/2015-03-31/functions/" + functionName + "/invocations", Payload: st.payload, Want: st.answer,
		Warmup: warmup, Requests: b.cfg.Requests, Concurrency: b.cfg.Concurrency,
	})
	if err != nil {
		return err
	}
	st.CPU = append(st.CPU, measure.Milliseconds(cpuTime()-cpu)/float64(b.cfg.Requests+warmup))
	st.PerSecond = append(st.PerSecond, result.PerSecond())
	st.P50 = append(st.P50, measure.Milliseconds(result.Percentile(50)))
	st.P99 = append(st.P99, measure.Milliseconds(result.Percentile(99)))
	return nil
}

// account sums what became of the events, hanging subscribers apart.
func (st *stage) account() {
	slices.SortFunc(st.accounts, func(a, b extensions.Account) int { return int(a.Published - b.Published) })
	for _, a := range st.accounts {
		into := &st.Taking
		if a.Extension[0] == 'h' {
			into = &st.Hanging
		}
		into.add(a)
	}
}

func (st *stage) close(ctx context.Context) error {
	if st.host == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return st.host.Shutdown(ctx)
}
