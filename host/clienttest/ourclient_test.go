package clienttest

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/lambent-host/lambent/host/client"
	"github.com/lambent-host/lambent/host/lambdaapi"
)

// TestOurClient takes the client of the command line through a function's life.
func TestOurClient(t *testing.T) {
	t.Parallel()
	c := client.New(serve(t))
	defer c.CloseIdle()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	name, role, runtime, handler := "our-fn", roleARN, lambdaapi.DefaultRuntime, "bootstrap"
	in := &lambdaapi.CreateFunctionRequest{
		FunctionName: &name, Role: &role, Code: &lambdaapi.FunctionCode{ZipFile: mirror(t)},
		FunctionSettings: lambdaapi.FunctionSettings{Runtime: &runtime, Handler: &handler},
	}
	f, created, err := c.Deploy(ctx, in)
	if err != nil || !created || f.State != "Active" {
		t.Fatalf("deploy: %+v, %v, %v", f, created, err)
	}
	in.Environment = &lambdaapi.Environment{Variables: map[string]string{"GREETING": "again"}}
	f, created, err = c.Deploy(ctx, in)
	if err != nil || created || f.LastUpdateStatus != "Successful" {
		t.Fatalf("deploy again: %+v, %v, %v", f, created, err)
	}
	out, err := c.Invoke(ctx, client.InvokeInput{Name: name, Qualifier: "$LATEST", Payload: []byte(`[2]`), Tail: true, ClientContext: `{"custom":{"k":"v"}}`})
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"event":[2]`, `"greeting":"again"`, `"custom":{"k":"v"}`, arnOf + name + `:$LATEST`} {
		if !strings.Contains(string(out.Payload), part) {
			t.Errorf("the answer %s does not hold %s", out.Payload, part)
		}
	}
	if out.ExecutedVersion != "$LATEST" || !strings.Contains(string(out.Log), "a line of the log") || out.RequestID == "" {
		t.Errorf("%+v", out)
	}
	for _, kind := range []string{lambdaapi.InvocationEvent, lambdaapi.InvocationDryRun} {
		if out, err := c.Invoke(ctx, client.InvokeInput{Name: name, Type: kind}); err != nil || len(out.Payload) != 0 {
			t.Errorf("%s: %+v, %v", kind, out, err)
		}
	}
	if all, err := c.List(ctx); err != nil || len(all) != 1 || all[0].FunctionName != name {
		t.Errorf("list: %v, %v", all, err)
	}
	in.Code.ZipFile = []byte("\x00asm\x01\x00\x00\x00") // valid, and exports nothing
	var refused *lambdaapi.Error
	var failed *client.FailedError
	if _, _, err := c.Deploy(ctx, in); !errors.As(err, &refused) && !errors.As(err, &failed) {
		t.Errorf("a module without a function: %v", err)
	}
	if err := c.Delete(ctx, name); err != nil {
		t.Fatal(err)
	}
	if _, err := c.GetConfiguration(ctx, name); !client.IsNotFound(err) {
		t.Errorf("after the delete: %v", err)
	}
}
