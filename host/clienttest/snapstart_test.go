package clienttest

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lambent-host/lambent/abi/gobuild/gobuildtest"
	"github.com/lambent-host/lambent/host/client"
)

// The walk of AWS's guide, "Activating and managing Lambda SnapStart", with the
// aws CLI.
func TestAWSCLISnapStart(t *testing.T) {
	t.Parallel()
	for _, file := range tools(t, "aws") {
		t.Run(file, func(t *testing.T) { t.Parallel(); snapStartSequence(t, newAWSCLI(t, file)) })
	}
}

func snapStartSequence(t *testing.T, c *awsCLI) {
	pkg := filepath.Join(t.TempDir(), "snapstart.zip")
	if err := os.WriteFile(pkg, zipped(t, gobuildtest.Function(t, "snapstart")), 0o600); err != nil {
		t.Fatal(err)
	}
	create := []string{"create-function", "--function-name", "cli-fn", "--runtime", "provided.al2023", "--handler", "bootstrap",
		"--role", roleARN, "--zip-file", "fileb://" + pkg, "--snap-start", "ApplyOn=PublishedVersions"}
	c.refused("InvalidParameterValueException", "EphemeralStorage", append(create, "--ephemeral-storage", "Size=1024")...)
	made := c.do(create...)
	is(t, made, "SnapStart.ApplyOn", "PublishedVersions")
	is(t, made, "SnapStart.OptimizationStatus", "Off")
	c.do("wait", "function-active-v2", "--function-name", "cli-fn")
	published := c.do("publish-version", "--function-name", "cli-fn")
	is(t, published, "Version", "1")
	is(t, published, "State", "Pending")
	c.do("wait", "published-version-active", "--function-name", "cli-fn", "--qualifier", "1")
	got := c.do("get-function-configuration", "--function-name", "cli-fn:1")
	is(t, got, "State", "Active")
	is(t, got, "SnapStart.OptimizationStatus", "On")
	is(t, c.do("get-function", "--function-name", "cli-fn"), "Configuration.SnapStart.OptimizationStatus", "Off")

	answer, first := c.invoke("{}", "--qualifier", "1", "--log-type", "Tail")
	is(t, answer, "ExecutedVersion", "1")
	tail, _ := answer["LogResult"].(string)
	if log, err := base64.StdEncoding.DecodeString(tail); err != nil || !strings.Contains(string(log), "\tRestore Duration: ") || !strings.Contains(string(log), "\tBilled Restore Duration: ") {
		t.Errorf("log %q, %v", log, err)
	}
	if !strings.Contains(first, `"count":1`) || strings.Contains(first, `"fromHook":""`) {
		t.Errorf("the version answers %s", first)
	}
	c.do("update-function-configuration", "--function-name", "cli-fn", "--snap-start", "ApplyOn=None")
	c.do("wait", "function-updated-v2", "--function-name", "cli-fn")
	without := c.do("publish-version", "--function-name", "cli-fn")
	is(t, without, "Version", "2")
	is(t, without, "State", "Active")
	is(t, without, "SnapStart.ApplyOn", "None")
	c.refused("ValidationException", "snapStart.applyOn", "update-function-configuration", "--function-name", "cli-fn", "--snap-start", "ApplyOn=Sometimes")
}

// Terraform's provider plans no change after it has made a version with SnapStart.
func TestTerraformSnapStart(t *testing.T) {
	t.Parallel()
	tf := newTerraform(t)
	endpoint := serve(t)
	first, _ := packages(t)
	c := client.New(endpoint)
	defer c.CloseIdle()
	tf.variables(endpoint, first, "one")
	tf.env = append(tf.env, "TF_VAR_snap_start=true")
	tf.do(0, "apply", "-auto-approve")
	f, err := c.WaitActive(tf.ctx, "tf-fn:live")
	if err != nil || f.Version != "1" || f.SnapStart.ApplyOn != "PublishedVersions" || f.SnapStart.OptimizationStatus != "On" {
		t.Fatalf("the alias means %+v, %v", f, err)
	}
	out, err := c.Invoke(tf.ctx, client.InvokeInput{Name: "tf-fn", Qualifier: "live", Payload: []byte(`[3]`), Tail: true})
	if err != nil || !strings.Contains(string(out.Payload), `"greeting":"one"`) || !strings.Contains(string(out.Log), "Restore Duration") {
		t.Errorf("the alias answers %+v, %v", out, err)
	}
	const unchanged = 0 // exit code of plan -detailed-exitcode
	tf.do(unchanged, "plan", "-detailed-exitcode")
	tf.do(0, "destroy", "-auto-approve")
}
