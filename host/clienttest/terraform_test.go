package clienttest

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lambent-host/lambent/host/client"
)

// terraform is a working folder with testdata/terraform in it.
type terraform struct {
	t    *testing.T
	ctx  context.Context
	file string
	dir  string
	env  []string
}

func newTerraform(t *testing.T) *terraform {
	t.Helper()
	file := tool(t, "terraform")
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	tf := &terraform{t: t, ctx: ctx, file: file, dir: t.TempDir(), env: environment(t)}
	tf.env = append(tf.env, "TF_IN_AUTOMATION=1", "TF_INPUT=0", "CHECKPOINT_DISABLE=1")
	config, err := os.ReadFile(filepath.Join("testdata", "terraform", "main.tf"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(tf.dir, "main.tf"), config, 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"init", "-no-color"}
	if plugins := os.Getenv("LAMBENT_TF_PLUGIN_DIR"); plugins != "" {
		args = append(args, "-plugin-dir="+plugins)
	}
	if out := run(ctx, t, tf.dir, tf.env, file, args...); out.code != 0 {
		missing(t, "terraform init cannot get the AWS provider (LAMBENT_TF_PLUGIN_DIR may name a folder that has it):\n"+out.stderr)
	}
	return tf
}

// variables say which package and which greeting the function is to have.
func (tf *terraform) variables(endpoint, file, greeting string) {
	tf.env = append(tf.env, "TF_VAR_endpoint="+endpoint, "TF_VAR_package="+file, "TF_VAR_greeting="+greeting)
}

// do runs a command and holds its exit code.
func (tf *terraform) do(code int, args ...string) string {
	tf.t.Helper()
	out := run(tf.ctx, tf.t, tf.dir, tf.env, tf.file, append(args, "-no-color")...)
	if out.code != code {
		tf.t.Fatalf("terraform %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), out.code, code, out.stdout, out.stderr)
	}
	return out.stdout
}

func TestTerraform(t *testing.T) {
	t.Parallel()
	tf := newTerraform(t)
	endpoint := serve(t)
	first, second := packages(t)
	c := client.New(endpoint)
	defer c.CloseIdle()
	answers := func(want string) {
		t.Helper()
		out, err := c.Invoke(tf.ctx, client.InvokeInput{Name: "tf-fn", Qualifier: "live", Payload: []byte(`[3]`)})
		if err != nil || !strings.Contains(string(out.Payload), want) {
			t.Fatalf("the alias answers %+v, %v, want %s", out, err, want)
		}
	}
	const unchanged = 0 // exit code of plan -detailed-exitcode

	tf.variables(endpoint, first, "one")
	tf.do(0, "apply", "-auto-approve")
	answers(`"greeting":"one"`)
	tf.do(unchanged, "plan", "-detailed-exitcode")

	tf.variables(endpoint, second, "two") // settings, tags and code at once
	if out := tf.do(0, "apply", "-auto-approve"); !strings.Contains(out, `invoke_version = "2"`) {
		t.Errorf("after the second apply the version is not 2:\n%s", out)
	}
	answers(`[3]`)
	got, err := c.GetConfiguration(tf.ctx, "tf-fn:live")
	if err != nil || got.Version != "2" || got.Environment.Variables["GREETING"] != "two" {
		t.Errorf("after the second apply the alias means %+v, %v", got, err)
	}
	tf.do(unchanged, "plan", "-detailed-exitcode")

	tf.do(0, "destroy", "-auto-approve")
	if all, err := c.List(tf.ctx); err != nil || len(all) != 0 {
		t.Errorf("after destroy there are %v, %v", all, err)
	}
}
