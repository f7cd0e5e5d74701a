package clienttest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// awsCLI is the aws CLI against one host.
type awsCLI struct {
	t        *testing.T
	ctx      context.Context
	file     string
	dir      string
	env      []string
	endpoint string
	v2       bool
}

func newAWSCLI(t *testing.T, file string) *awsCLI {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	c := &awsCLI{t: t, ctx: ctx, file: file, dir: t.TempDir(), env: environment(t), endpoint: serve(t)}
	version := run(ctx, t, c.dir, c.env, file, "--version")
	c.v2 = strings.HasPrefix(version.stdout, "aws-cli/2")
	t.Logf("%s", version.stdout+version.stderr)
	return c
}

// try runs "aws lambda ...".
func (c *awsCLI) try(args ...string) output {
	c.t.Helper()
	return run(c.ctx, c.t, c.dir, c.env, c.file, append([]string{"lambda", "--endpoint-url", c.endpoint, "--region", "us-east-1", "--output", "json"}, args...)...)
}

// do runs a command that must succeed, and returns its answer.
func (c *awsCLI) do(args ...string) map[string]any {
	c.t.Helper()
	out := c.try(args...)
	if out.code != 0 {
		c.t.Fatalf("aws lambda %s: exit code %d\n%s%s", strings.Join(args, " "), out.code, out.stdout, out.stderr)
	}
	if out.stdout == "" {
		return nil
	}
	var answer map[string]any
	if err := json.Unmarshal([]byte(out.stdout), &answer); err != nil {
		c.t.Fatalf("aws lambda %s: %v\n%s", strings.Join(args, " "), err, out.stdout)
	}
	return answer
}

// refused runs a command that must fail with the error.
func (c *awsCLI) refused(code, contains string, args ...string) {
	c.t.Helper()
	out := c.try(args...)
	if out.code == 0 || !strings.Contains(out.stderr, "("+code+")") || !strings.Contains(out.stderr, contains) {
		c.t.Errorf("aws lambda %s: exit code %d, %s, want %s with %q", strings.Join(args, " "), out.code, out.stderr, code, contains)
	}
}

// invoke runs "aws lambda invoke" and returns its answer and the payload.
func (c *awsCLI) invoke(payload string, args ...string) (map[string]any, string) {
	c.t.Helper()
	file := filepath.Join(c.dir, "response.json")
	all := append([]string{"invoke", "--function-name", "cli-fn"}, args...)
	if payload != "" {
		all = append(all, "--payload", payload)
		if c.v2 {
			all = append(all, "--cli-binary-format", "raw-in-base64-out")
		}
	}
	answer := c.do(append(all, file)...)
	text, err := os.ReadFile(file)
	if err != nil {
		c.t.Fatal(err)
	}
	return answer, string(text)
}

// is holds one member of an answer.
func is(t *testing.T, answer map[string]any, path string, want any) {
	t.Helper()
	var got any = answer
	for _, key := range strings.Split(path, ".") {
		if list, ok := got.([]any); ok {
			if i, err := strconv.Atoi(key); err == nil && i < len(list) {
				got = list[i]
				continue
			}
		}
		object, _ := got.(map[string]any)
		got = object[key]
	}
	if got != want {
		t.Errorf("%s is %v, want %v, in %v", path, got, want, answer)
	}
}

func TestAWSCLI(t *testing.T) {
	t.Parallel()
	for _, file := range tools(t, "aws") {
		t.Run(file, func(t *testing.T) { t.Parallel(); sequence(t, file) })
	}
}

func sequence(t *testing.T, file string) {
	c := newAWSCLI(t, file)
	first, second := packages(t)
	c.create(first)
	c.invokes()
	c.updates(second)
	c.aliases()
	c.lists(second)
	c.tags()
	c.errors(first)
	c.do("delete-function", "--function-name", "cli-fn")
	c.refused("ResourceNotFoundException", "Function not found: "+arnOf+"cli-fn", "get-function", "--function-name", "cli-fn")
}

func (c *awsCLI) create(file string) {
	c.t.Helper()
	made := c.do("create-function", "--function-name", "cli-fn", "--runtime", "provided.al2023", "--handler", "bootstrap",
		"--role", roleARN, "--zip-file", "fileb://"+file, "--tags", "team=a", "--environment", "Variables={GREETING=hi}")
	is(c.t, made, "State", "Pending")
	is(c.t, made, "FunctionArn", arnOf+"cli-fn")
	c.do("wait", "function-active-v2", "--function-name", "cli-fn")
	got := c.do("get-function", "--function-name", "cli-fn")
	is(c.t, got, "Configuration.State", "Active")
	is(c.t, got, "Configuration.CodeSha256", made["CodeSha256"])
	is(c.t, got, "Tags.team", "a")
	is(c.t, got, "Code.RepositoryType", "S3")
	is(c.t, c.do("get-function-configuration", "--function-name", "cli-fn"), "LastUpdateStatus", "Successful")
	is(c.t, c.do("get-account-settings"), "AccountUsage.FunctionCount", 1.)
	is(c.t, c.do("get-function-code-signing-config", "--function-name", "cli-fn"), "FunctionName", "cli-fn")
	c.do("get-function-concurrency", "--function-name", "cli-fn")
}

func (c *awsCLI) invokes() {
	c.t.Helper()
	clientContext := base64.StdEncoding.EncodeToString([]byte(`{"custom":{"k":"v"}}`))
	answer, payload := c.invoke(`{"key1":"value1"}`, "--log-type", "Tail", "--client-context", clientContext)
	is(c.t, answer, "StatusCode", 200.)
	is(c.t, answer, "ExecutedVersion", "$LATEST")
	if want := `{"event":{"key1":"value1"},"arn":"` + arnOf + `cli-fn","version":"$LATEST","custom":{"k":"v"},"greeting":"hi"}`; payload != want {
		c.t.Errorf("payload %s, want %s", payload, want)
	}
	tail, _ := answer["LogResult"].(string)
	log, err := base64.StdEncoding.DecodeString(tail)
	if err != nil || !strings.Contains(string(log), "a line of the log") || !strings.Contains(string(log), "REPORT RequestId: ") {
		c.t.Errorf("log %q, %v", log, err)
	}
	answer, payload = c.invoke(`{"fail":true}`)
	is(c.t, answer, "FunctionError", "Unhandled")
	if !strings.Contains(payload, `"errorMessage":"failed as asked"`) {
		c.t.Errorf("payload of a function error: %s", payload)
	}
	if _, payload = c.invoke(""); !strings.Contains(payload, `"event":{}`) {
		c.t.Errorf("without a payload the answer is %s", payload)
	}
	answer, payload = c.invoke(`{}`, "--invocation-type", "Event")
	is(c.t, answer, "StatusCode", 202.)
	is(c.t, answer, "ExecutedVersion", nil)
	if payload != "" {
		c.t.Errorf("an event answers %q", payload)
	}
	answer, _ = c.invoke(`{}`, "--invocation-type", "DryRun")
	is(c.t, answer, "StatusCode", 204.)
	_, payload = c.invoke(`{}`, "--qualifier", "$LATEST")
	if !strings.Contains(payload, `"arn":"`+arnOf+`cli-fn:$LATEST"`) {
		c.t.Errorf("with a qualifier the answer is %s", payload)
	}
}

func (c *awsCLI) updates(file string) {
	c.t.Helper()
	is(c.t, c.do("publish-version", "--function-name", "cli-fn", "--description", "one"), "FunctionArn", arnOf+"cli-fn:1")
	c.do("wait", "published-version-active", "--function-name", "cli-fn", "--qualifier", "1")
	changed := c.do("update-function-configuration", "--function-name", "cli-fn", "--timeout", "7", "--environment", "Variables={GREETING=ho}")
	is(c.t, changed, "LastUpdateStatus", "InProgress")
	is(c.t, changed, "Timeout", 7.)
	c.do("wait", "function-updated", "--function-name", "cli-fn")
	if _, payload := c.invoke(`{}`); !strings.Contains(payload, `"greeting":"ho"`) {
		c.t.Errorf("after the update the answer is %s", payload)
	}
	c.do("update-function-code", "--function-name", "cli-fn", "--zip-file", "fileb://"+file)
	c.do("wait", "function-updated-v2", "--function-name", "cli-fn")
	if _, payload := c.invoke(`[1]`); payload != `[1]` {
		c.t.Errorf("the new code answers %s", payload)
	}
	answer, payload := c.invoke(`[1]`, "--qualifier", "1")
	is(c.t, answer, "ExecutedVersion", "1")
	if !strings.Contains(payload, `"version":"1"`) || !strings.Contains(payload, `"greeting":"hi"`) {
		c.t.Errorf("version 1 answers %s", payload)
	}
}

func (c *awsCLI) aliases() {
	c.t.Helper()
	is(c.t, c.do("publish-version", "--function-name", "cli-fn"), "Version", "2")
	is(c.t, c.do("create-alias", "--function-name", "cli-fn", "--name", "live", "--function-version", "1"), "AliasArn", arnOf+"cli-fn:live")
	if _, payload := c.invoke(`{}`, "--qualifier", "live"); !strings.Contains(payload, `"version":"1"`) {
		c.t.Errorf("the alias answers %s", payload)
	}
	weighted := c.do("update-alias", "--function-name", "cli-fn", "--name", "live", "--routing-config", "AdditionalVersionWeights={2=1.0}")
	is(c.t, weighted, "RoutingConfig.AdditionalVersionWeights.2", 1.)
	answer, _ := c.invoke(`{}`, "--function-name", arnOf+"cli-fn:live")
	is(c.t, answer, "ExecutedVersion", "2")
	is(c.t, c.do("get-alias", "--function-name", "cli-fn", "--name", "live"), "FunctionVersion", "1")
	if list, _ := c.do("list-aliases", "--function-name", "cli-fn")["Aliases"].([]any); len(list) != 1 {
		c.t.Errorf("list-aliases: %v", list)
	}
	c.do("delete-alias", "--function-name", "cli-fn", "--name", "live")
	c.refused("ResourceNotFoundException", "Cannot find alias arn", "get-alias", "--function-name", "cli-fn", "--name", "live")
}

func (c *awsCLI) lists(file string) {
	c.t.Helper()
	for _, name := range []string{"cli-b", "cli-c"} {
		c.do("create-function", "--function-name", name, "--runtime", "provided.al2023", "--handler", "h", "--role", roleARN, "--zip-file", "fileb://"+file)
	}
	if list, _ := c.do("list-functions", "--page-size", "1")["Functions"].([]any); len(list) != 3 {
		c.t.Errorf("list-functions in pages of one: %v", list)
	}
	part := c.do("list-functions", "--max-items", "2")
	if list, _ := part["Functions"].([]any); len(list) != 2 || part["NextToken"] == nil {
		c.t.Errorf("list-functions of two: %v", part)
	}
	if list, _ := c.do("list-versions-by-function", "--function-name", "cli-fn", "--page-size", "2")["Versions"].([]any); len(list) != 3 {
		c.t.Errorf("list-versions-by-function: %v", list)
	}
}

func (c *awsCLI) tags() {
	c.t.Helper()
	c.do("tag-resource", "--resource", arnOf+"cli-fn", "--tags", "k1=v1,k2=v2")
	c.do("untag-resource", "--resource", arnOf+"cli-fn", "--tag-keys", "k1", "team")
	tags := c.do("list-tags", "--resource", arnOf+"cli-fn")
	is(c.t, tags, "Tags.k2", "v2")
	is(c.t, tags, "Tags.k1", nil)
}

func (c *awsCLI) errors(file string) {
	c.t.Helper()
	c.refused("ResourceConflictException", "Function already exist: cli-fn", "create-function", "--function-name", "cli-fn", "--runtime", "provided.al2023", "--handler", "h", "--role", roleARN, "--zip-file", "fileb://"+file)
	c.refused("ResourceNotFoundException", "Function not found: "+arnOf+"nope:$LATEST", "invoke", "--function-name", "nope", filepath.Join(c.dir, "none"))
	c.refused("ValidationException", "at 'role'", "update-function-configuration", "--function-name", "cli-fn", "--role", "r1")
	c.refused("PreconditionFailedException", "Revision Id", "update-function-configuration", "--function-name", "cli-fn", "--revision-id", "x")
	c.refused("ResourceNotFoundException", "not reachable in this region", "get-function", "--function-name", "arn:aws:lambda:eu-west-1:000000000000:function:cli-fn")
	empty := filepath.Join(c.dir, "empty.zip")
	if err := os.WriteFile(empty, zipped(c.t, []byte("#!/bin/sh")), 0o600); err != nil {
		c.t.Fatal(err)
	}
	c.refused("InvalidParameterValueException", "a script", "update-function-code", "--function-name", "cli-fn", "--zip-file", "fileb://"+empty)
	bad := []string{"invoke", "--function-name", "cli-fn", "--payload", "{broken"}
	if c.v2 {
		bad = append(bad, "--cli-binary-format", "raw-in-base64-out")
	}
	c.refused("InvalidRequestContentException", "Could not parse payload into json", append(bad, filepath.Join(c.dir, "none"))...)
}
