package publishing

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/lambent-host/lambent/bench/measure"
	"github.com/lambent-host/lambent/host"
	"github.com/lambent-host/lambent/host/client"
	"github.com/lambent-host/lambent/host/lambdaapi"
)

// measureNeighbour invokes a warm Go function of a whole host over HTTP, one request
// after the other, while nothing else goes on and while a module is published, in
// turns of about the same length.
func measureNeighbour(ctx context.Context, cfg Config, progress func(string)) (n Neighbour, err error) {
	guest, err := load(ctx, "go")
	if err != nil {
		return n, err
	}
	large, err := load(ctx, cfg.Neighbour)
	if err != nil {
		return n, err
	}
	work, err := os.MkdirTemp("", "lambent-bench-")
	if err != nil {
		return n, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	hc := host.DefaultConfig()
	hc.Listen, hc.DataDir = "127.0.0.1:0", filepath.Join(work, "data")
	h, err := host.New(ctx, hc, zerolog.Nop())
	if err != nil {
		return n, err
	}
	h.Start()
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), hc.ShutdownTimeout)
		defer cancel()
		err = errors.Join(err, h.Shutdown(ctx))
	}()
	c := client.New("http://" + h.Addr())
	defer c.CloseIdle()
	if err := deploy(ctx, c, "neighbour", guest); err != nil {
		return n, err
	}
	var idle, busy []time.Duration
	if _, err := invokeUntil(ctx, c, after(time.Second)); err != nil { // warm up
		return n, err
	}
	for round := range cfg.Rounds {
		progress(fmt.Sprintf("a neighbour while %s is published, %d of %d", cfg.Neighbour, round+1, cfg.Rounds))
		published, began := make(chan error, 1), time.Now()
		go func() { published <- deploy(ctx, c, "large", another(large, uint64(round))) }()
		during, err := invokeUntil(ctx, c, published)
		if err != nil {
			return n, err
		}
		alone, err := invokeUntil(ctx, c, after(time.Since(began)))
		if err != nil {
			return n, err
		}
		busy, idle = append(busy, during...), append(idle, alone...)
	}
	return Neighbour{Module: cfg.Neighbour, Idle: latencyOf(idle), Publishing: latencyOf(busy)}, nil
}

func after(d time.Duration) <-chan error {
	done := make(chan error, 1)
	time.AfterFunc(d, func() { done <- nil })
	return done
}

// invokeUntil invokes the neighbour until done is told, and returns done's error.
func invokeUntil(ctx context.Context, c *client.Client, done <-chan error) ([]time.Duration, error) {
	var took []time.Duration
	for {
		select {
		case err := <-done:
			return took, err
		default:
		}
		began := time.Now()
		out, err := c.Invoke(ctx, client.InvokeInput{Name: "neighbour", Payload: []byte(`{"orderId":"1","items":[]}`)})
		if err != nil {
			return nil, fmt.Errorf("invoke the neighbour: %w", err)
		}
		if out.FunctionError != "" {
			return nil, fmt.Errorf("the neighbour fails: %.200s", out.Payload)
		}
		took = append(took, time.Since(began))
	}
}

func deploy(ctx context.Context, c *client.Client, name string, wasm []byte) error {
	role, runtime, handler, memory := "arn:aws:iam::000000000000:role/bench", lambdaapi.DefaultRuntime, "bootstrap", memoryBytes>>20
	_, _, err := c.Deploy(ctx, &lambdaapi.CreateFunctionRequest{
		FunctionName: &name, Role: &role, Code: &lambdaapi.FunctionCode{ZipFile: wasm},
		FunctionSettings: lambdaapi.FunctionSettings{Runtime: &runtime, Handler: &handler, MemorySize: &memory},
	})
	if err != nil {
		return fmt.Errorf("deploy %s: %w", name, err)
	}
	return nil
}

func latencyOf(took []time.Duration) Latency {
	slices.Sort(took)
	return Latency{
		Requests: len(took),
		P50Ms:    measure.Milliseconds(measure.Percentile(took, 50)),
		P99Ms:    measure.Milliseconds(measure.Percentile(took, 99)),
	}
}
