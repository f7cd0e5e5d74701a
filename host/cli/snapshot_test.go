package cli

import (
	"encoding/json"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lambent-host/lambent/abi/gobuild/gobuildtest"
	"github.com/lambent-host/lambent/host/client"
	"github.com/lambent-host/lambent/host/lambdaapi"
)

// A host that was killed starts its functions from their snapshots: what init drew
// at random is still there, so no init has run.
func TestKillNineCostsNoInit(t *testing.T) {
	data := t.TempDir()
	first := serve(t, data)
	c := client.New("http://" + first.addr)
	name, role := "f", "arn:aws:iam::000000000000:role/test"
	if _, _, err := c.Deploy(t.Context(), &lambdaapi.CreateFunctionRequest{
		FunctionName: &name, Role: &role, Publish: true,
		Code:             &lambdaapi.FunctionCode{ZipFile: gobuildtest.Function(t, "snapstart")},
		FunctionSettings: lambdaapi.FunctionSettings{SnapStart: &lambdaapi.SnapStart{ApplyOn: "PublishedVersions"}},
	}); err != nil {
		t.Fatal(err)
	}
	v, err := c.WaitActive(t.Context(), "f:1")
	if err != nil || v.SnapStart.OptimizationStatus != "On" {
		t.Fatalf("version 1 is %+v, %v", v, err)
	}
	type answer struct{ FromInit, FromHook string }
	invoke := func(c *client.Client) (a answer) {
		t.Helper()
		out, err := c.Invoke(t.Context(), client.InvokeInput{Name: "f", Qualifier: "1", Tail: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(out.Payload, &a); err != nil || a.FromInit == "" || !strings.Contains(string(out.Log), "Restore Duration") {
			t.Fatalf("answer %s, log %s", out.Payload, out.Log)
		}
		return a
	}
	before := invoke(c)
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, first.log)
	_ = first.Wait() // it was killed
	c.CloseIdle()
	if files, err := filepath.Glob(filepath.Join(data, "snapshots", "*")); err != nil || len(files) != 1 {
		t.Errorf("on disk are %v, %v", files, err)
	}

	second := serve(t, data)
	c = client.New("http://" + second.addr)
	defer c.CloseIdle()
	if after := invoke(c); after.FromInit != before.FromInit || after.FromHook == before.FromHook {
		t.Errorf("after the kill %+v, before %+v: want the same init, and a hook of its own", after, before)
	}
}
