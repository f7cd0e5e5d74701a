package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/lambent-host/lambent/abi/gobuild/gobuildtest"
	"github.com/lambent-host/lambent/host/client"
	"github.com/lambent-host/lambent/host/lambdaapi"
)

// updates is how many changes one run asks for; the host is killed on the way.
const updates = 200

// ledger is what was acknowledged: the highest number of an update per function.
type ledger [4]atomic.Int64

func functionName(i int) string { return "f" + strconv.Itoa(i) }

// change asks for update n of a function: description and environment must
// arrive together or not at all.
func change(ctx context.Context, c *client.Client, i int, n int64) error {
	text := strconv.FormatInt(n, 10)
	_, err := c.UpdateFunctionConfiguration(ctx, functionName(i), &lambdaapi.UpdateFunctionConfigurationRequest{
		FunctionSettings: lambdaapi.FunctionSettings{
			Description: &text,
			Environment: &lambdaapi.Environment{Variables: map[string]string{"NUMBER": text}},
		},
	})
	if err != nil {
		return err
	}
	_, err = c.WaitUpdated(ctx, functionName(i))
	return err
}

func TestKillNineDuringUpdatesLosesNothingAcknowledged(t *testing.T) {
	data := t.TempDir()
	first := serve(t, data)
	c := client.New("http://" + first.addr)
	module, role := gobuildtest.Function(t, "stdio"), "arn:aws:iam::000000000000:role/test"
	var acknowledged ledger
	for i := range acknowledged {
		name := functionName(i)
		if _, _, err := c.Deploy(t.Context(), &lambdaapi.CreateFunctionRequest{
			FunctionName: &name, Role: &role, Code: &lambdaapi.FunctionCode{ZipFile: module},
		}); err != nil {
			t.Fatal(err)
		}
	}

	killed := make(chan struct{})
	var done atomic.Int64
	writers := make(chan error, len(acknowledged))
	for i := range acknowledged {
		go func() {
			for n := int64(1); n <= updates/int64(len(acknowledged)); n++ {
				if err := change(t.Context(), c, i, n); err != nil {
					writers <- err
					return
				}
				acknowledged[i].Store(n)
				if done.Add(1) == updates/3 {
					close(killed)
				}
			}
			writers <- nil
		}()
	}
	select {
	case <-killed:
	case err := <-writers:
		t.Fatalf("a writer stopped before the kill: %v", err)
	}
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for range acknowledged {
		if err := <-writers; err == nil {
			t.Error("a writer got through all its updates: the host was killed too late")
		}
	}
	_, _ = io.Copy(io.Discard, first.log)
	_ = first.Wait() // it was killed
	c.CloseIdle()

	second := serve(t, data)
	c = client.New("http://" + second.addr)
	defer c.CloseIdle()
	for i := range acknowledged {
		if err := whole(t.Context(), c, functionName(i), acknowledged[i].Load()); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d of %d updates were acknowledged before the kill", done.Load(), updates)
}

// whole checks that a function has its last acknowledged update, or the one that
// was under way, entirely, and that it runs.
func whole(ctx context.Context, c *client.Client, name string, acknowledged int64) error {
	f, err := c.WaitSettled(ctx, name)
	if err != nil {
		return err
	}
	n, err := strconv.ParseInt(f.Description, 10, 64)
	if err != nil || n < acknowledged || n > acknowledged+1 {
		return fmt.Errorf("%s has update %q, but %d was acknowledged", name, f.Description, acknowledged)
	}
	if got := f.Environment.Variables["NUMBER"]; got != f.Description {
		return fmt.Errorf("%s is half-done: description %s, environment %s", name, f.Description, got)
	}
	out, err := c.Invoke(ctx, client.InvokeInput{Name: name, Payload: []byte(`{"text":"x"}`)})
	if err != nil {
		return fmt.Errorf("%s after the restart: %w", name, err)
	}
	if out.FunctionError != "" && !strings.Contains(string(out.Payload), "errorMessage") {
		return fmt.Errorf("%s after the restart answered %s", name, out.Payload)
	}
	return nil
}
