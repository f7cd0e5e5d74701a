package cli

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lambent-host/lambent/host/client"
	"github.com/lambent-host/lambent/host/lambdaapi"
)

// How many samples the comparison takes, and how long the demo waits for an
// asynchronous event.
const (
	coldSamples   = 10
	warmSamples   = 100
	asyncPatience = 30 * time.Second
)

// invocations runs the function in every way there is to end.
func (d *demo) invocations(ctx context.Context) error {
	fmt.Fprintln(d.app.Stdout, "\nInvocations")
	kinds := []struct {
		what, payload, typ string
		cold, fails        bool
	}{
		{"cold: a new environment", `{"name":"cold"}`, "", true, false},
		{"warm: the same environment", `{"name":"warm"}`, "", false, false},
		{"asynchronous: accepted, runs later", `{"name":"later"}`, "Event", false, false},
		{"with an error of the handler", `{"name":"nobody","fail":true}`, "", false, true},
		{"past its timeout, in a busy loop", `{"name":"slow","spinMs":60000}`, "", false, true},
	}
	for _, k := range kinds {
		began := time.Now()
		out, err := d.invoke(ctx, k.typ, k.payload)
		if err != nil {
			return fmt.Errorf("%s: %w", k.what, err)
		}
		if failed := out.FunctionError != ""; failed != k.fails {
			return fmt.Errorf("%s: the function answered %s", k.what, out.Payload)
		}
		if cold := wasCold(out); cold != k.cold {
			return fmt.Errorf("%s: the log tells of a cold start: %v, want %v", k.what, cold, k.cold)
		}
		took, answer := time.Since(began), string(out.Payload)
		if k.typ == "Event" {
			answer = "202, no body"
			if err := d.awaitRun(ctx, out.RequestID); err != nil {
				return err
			}
		}
		fmt.Fprintf(d.app.Stdout, "  %-36s %8.2f ms  %s\n", k.what, milliseconds(took), answer)
	}
	return nil
}

// invoke runs the function. It asks for the log because such an answer waits for
// the extension too: the environment is free again when it comes, and the next
// invocation finds it warm.
func (d *demo) invoke(ctx context.Context, typ, payload string) (*client.InvokeOutput, error) {
	return d.client.Invoke(ctx, client.InvokeInput{Name: demoFunction, Type: typ, Payload: []byte(payload), Tail: true})
}

// wasCold tells an environment's first invocation: the report at the end of its
// log, and of no other, has the duration of the init.
func wasCold(out *client.InvokeOutput) bool {
	return bytes.Contains(out.Log, []byte("\tInit Duration: "))
}

// awaitRun waits until the extension has heard the report of a request, which
// comes last.
func (d *demo) awaitRun(ctx context.Context, requestID string) error {
	ctx, cancel := context.WithTimeout(ctx, asyncPatience)
	defer cancel()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		entries, err := readTimeline(d.timeline)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(entries, func(e timelineEntry) bool {
			return e.typ == "platform.report" && e.record.RequestID == requestID
		}) {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("the asynchronous event did not run: %w", ctx.Err())
		}
	}
}

// compare measures cold against warm starts: over HTTP, the extension included,
// one request at a time. A change of configuration makes a new environment for
// the request after it; which sample was cold is read from its log.
func (d *demo) compare(ctx context.Context) error {
	var s samples
	err := d.app.step(fmt.Sprintf("measure %d cold and %d warm invocations", coldSamples, warmSamples), func() error {
		for i := range coldSamples {
			if err := d.renew(ctx, i); err != nil {
				return err
			}
			for range 1 + warmSamples/coldSamples {
				if err := d.sample(ctx, &s); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(s.cold) == 0 || len(s.warm) == 0 {
		return fmt.Errorf("%d invocations were cold and %d warm: nothing to compare", len(s.cold), len(s.warm))
	}
	d.table(s)
	return nil
}

// samples are latencies as the client saw them.
type samples struct{ cold, warm []time.Duration }

func (d *demo) table(s samples) {
	base := quantile(s.warm, 0.5)
	fmt.Fprintf(d.app.Stdout, "\n%-12s %6s %10s %10s %12s\n", "", "count", "p50", "p99", "p50 to warm")
	for _, row := range []struct {
		name  string
		times []time.Duration
	}{{"cold", s.cold}, {"warm", s.warm}} {
		p50 := quantile(row.times, 0.5)
		fmt.Fprintf(d.app.Stdout, "%-12s %6d %7.2f ms %7.2f ms %11.1fx\n", row.name, len(row.times),
			milliseconds(p50), milliseconds(quantile(row.times, 0.99)), float64(p50)/float64(base))
	}
}

// renew changes the function's configuration, so that the next request is cold.
func (d *demo) renew(ctx context.Context, i int) error {
	description := fmt.Sprintf("cold start %d", i+1)
	_, err := d.client.UpdateFunctionConfiguration(ctx, demoFunction, &lambdaapi.UpdateFunctionConfigurationRequest{
		FunctionSettings: lambdaapi.FunctionSettings{Description: &description},
	})
	if err != nil {
		return err
	}
	_, err = d.client.WaitUpdated(ctx, demoFunction)
	return err
}

func (d *demo) sample(ctx context.Context, into *samples) error {
	began := time.Now()
	out, err := d.invoke(ctx, "", `{"name":"x"}`)
	if err != nil {
		return err
	}
	took := time.Since(began)
	if out.FunctionError != "" {
		return fmt.Errorf("the function answered %s", out.Payload)
	}
	if wasCold(out) {
		into.cold = append(into.cold, took)
	} else {
		into.warm = append(into.warm, took)
	}
	return nil
}

// quantile is the smallest sample that at least a share q of all do not exceed.
func quantile(samples []time.Duration, q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(samples))
	index := int(q*float64(len(sorted))+0.999999) - 1
	return sorted[min(max(index, 0), len(sorted)-1)]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
