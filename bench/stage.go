package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"github.com/lambent-host/lambent/abi/gobuild"
	"github.com/lambent-host/lambent/bench/ceiling"
	"github.com/lambent-host/lambent/bench/measure"
	"github.com/lambent-host/lambent/host"
	"github.com/lambent-host/lambent/host/client"
	"github.com/lambent-host/lambent/host/lambdaapi"
)

const functionName = "bench"

// guests are the functions that can be measured, in folders of that name, each
// with a part of its answer to Order() that shows it works. They answer the
// same bytes each time.
var guests = map[string]string{"json": `"totalled"`, "echo": `"leave at the door"`}

// folder is where a guest's source is, from the root of the checkout.
func folder(guest string) string { return "functions/" + guest }

// stage is what the scenarios run against: a host with the function on it, and
// the ceiling, which answers what the function answers.
type stage struct {
	work    string // everything made on the way
	host    *host.Host
	ceiling *ceiling.Server
	payload []byte
	answer  []byte // the function's, to payload
	setup   Setup
}

// Setup is what happened before anything was measured.
type Setup struct {
	// Build is the time the go command took for the guest, Publish the time from
	// creating the function until it was Active: validate, meter, compile.
	Build   time.Duration `json:"build"`
	Publish time.Duration `json:"publish"`
	// ModuleBytes is the size of the guest.
	ModuleBytes int `json:"moduleBytes"`
	// PayloadBytes and AnswerBytes are the sizes of a request and its answer.
	PayloadBytes int `json:"payloadBytes"`
	AnswerBytes  int `json:"answerBytes"`
}

// openStage makes a stage; whoever has it owes a close. progress is told about
// each step.
func openStage(ctx context.Context, cfg Config, progress func(string)) (_ *stage, err error) {
	st := &stage{payload: Order()}
	defer func() {
		if err != nil {
			err = errors.Join(err, st.close(context.WithoutCancel(ctx)))
		}
	}()
	if st.work, err = os.MkdirTemp("", "lambent-bench-"); err != nil {
		return nil, err
	}
	module, err := st.build(ctx, folder(cfg.Function), progress)
	if err != nil {
		return nil, err
	}
	if err := st.start(ctx, cfg); err != nil {
		return nil, err
	}
	progress("creating the function and waiting until it is compiled")
	if err := st.deploy(ctx, cfg, module); err != nil {
		return nil, err
	}
	st.ceiling, err = ceiling.Start(ctx, st.answer)
	return st, err
}

// build makes the guest from the source in the checkout.
func (st *stage) build(ctx context.Context, guest string, progress func(string)) ([]byte, error) {
	root, err := measure.Checkout(ctx)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	out := filepath.Join(st.work, "guest.wasm")
	if _, err := gobuild.Build(ctx, gobuild.Options{
		Dir: filepath.Join(root, filepath.FromSlash(guest)), Out: out,
		Progress: func(step string) { progress("building " + guest + ": " + step) },
	}); err != nil {
		return nil, fmt.Errorf("build the guest: %w", err)
	}
	module, err := os.ReadFile(out)
	st.setup.Build, st.setup.ModuleBytes = time.Since(began), len(module)
	return module, err
}

// start runs a host with defaults, without extensions and without exporters.
func (st *stage) start(ctx context.Context, cfg Config) (err error) {
	hc := host.DefaultConfig()
	hc.Listen = "127.0.0.1:0"
	hc.CPUQuota = host.QuotaOff // what the host costs is measured, not what a function is given
	hc.DataDir = filepath.Join(st.work, "data")
	if cfg.CompileCacheDir != "" { // each run has a data folder of its own, and would have a key
		hc.CompileCacheDir, hc.CompileCacheKey = cfg.CompileCacheDir, []byte("of bench")
	}
	if st.host, err = host.New(ctx, hc, zerolog.Nop()); err == nil {
		st.host.Start()
	}
	return err
}

// deploy creates the function and asks it for the answer that all later
// requests are compared with.
func (st *stage) deploy(ctx context.Context, cfg Config, module []byte) error {
	name, role, runtime, handler := functionName, "arn:aws:iam::000000000000:role/bench", lambdaapi.DefaultRuntime, "bootstrap"
	manage := client.New(st.endpoint())
	defer manage.CloseIdle()
	began := time.Now()
	if _, _, err := manage.Deploy(ctx, &lambdaapi.CreateFunctionRequest{
		FunctionName: &name, Role: &role, Code: &lambdaapi.FunctionCode{ZipFile: module},
		FunctionSettings: lambdaapi.FunctionSettings{Runtime: &runtime, Handler: &handler, MemorySize: &cfg.MemoryMB},
	}); err != nil {
		return fmt.Errorf("deploy the guest: %w", err)
	}
	st.setup.Publish = time.Since(began)
	out, err := manage.Invoke(ctx, client.InvokeInput{Name: functionName, Payload: st.payload})
	if err != nil {
		return fmt.Errorf("invoke the guest: %w", err)
	}
	if out.FunctionError != "" || !bytes.Contains(out.Payload, []byte(guests[cfg.Function])) {
		return fmt.Errorf("the guest does not work: %.200s", out.Payload)
	}
	st.answer = out.Payload
	st.setup.PayloadBytes, st.setup.AnswerBytes = len(st.payload), len(st.answer)
	return nil
}

func (st *stage) endpoint() string { return "http://" + st.host.Addr() }

// close ends what was started, and removes what was made.
func (st *stage) close(ctx context.Context) error {
	var errs []error
	if st.ceiling != nil {
		errs = append(errs, st.ceiling.Close())
	}
	if st.host != nil {
		ctx, cancel := context.WithTimeout(ctx, host.DefaultConfig().ShutdownTimeout)
		defer cancel()
		errs = append(errs, st.host.Shutdown(ctx))
	}
	if st.work != "" {
		errs = append(errs, os.RemoveAll(st.work))
	}
	return errors.Join(errs...)
}

// Order is about a kilobyte of JSON, the same on each run.
func Order() []byte {
	var b bytes.Buffer
	b.WriteString(`{"id":"order-1","customer":{"name":"Ada","street":"1 Loopback Road","city":"London"},"lines":[`)
	for i := range 20 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"sku":"item-%04d","quantity":%d,"price":%d.25}`, i, i%7+1, i+3)
	}
	b.WriteString(`],"notes":["leave at the door"],"total":0}`)
	return b.Bytes()
}
