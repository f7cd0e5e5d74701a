package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/lambent-host/lambent/abi/gobuild/gobuildtest"
	"github.com/lambent-host/lambent/host"
	"github.com/lambent-host/lambent/sandbox/publish"
)

func TestMain(m *testing.M) {
	publish.ExitIfChild()
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(programDir)
		os.Exit(code)
	}))
}

// result is what a command left behind.
type result struct {
	code           int
	stdout, stderr string
}

// run runs one command as the program would.
func run(t *testing.T, env []string, stdin string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := Main(t.Context(), Process{
		Args: args, Env: append(os.Environ(), env...), Stdin: strings.NewReader(stdin), Stdout: &stdout, Stderr: &stderr,
	})
	return result{code, stdout.String(), stderr.String()}
}

// startHost runs a host and returns the environment that leads to it.
func startHost(t *testing.T) []string {
	t.Helper()
	cfg := host.DefaultConfig()
	cfg.Listen, cfg.DataDir = "127.0.0.1:0", t.TempDir()
	if cache, err := os.UserCacheDir(); err == nil {
		cfg.CompileCacheDir = filepath.Join(cache, "lambent-test", "compiled")
		cfg.CompileCacheKey = []byte("of the tests")
	}
	h, err := host.New(t.Context(), cfg, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	h.Start()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := h.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return []string{"LAMBENT_ENDPOINT=http://" + h.Addr()}
}

func TestAFunctionFromItsSourceToItsEnd(t *testing.T) {
	env := startHost(t)
	file := filepath.Join(t.TempDir(), "event.json")
	if err := os.WriteFile(file, []byte(`{"name":"File"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		name           string
		args           []string
		stdin          string
		code           int
		stdout, stderr string // parts
	}{
		{"nothing there", []string{"list"}, "", exitOK, "NAME", ""},
		{"nothing there as JSON", []string{"list", "--json"}, "", exitOK, "[]\n", ""},
		{"deploy a folder", []string{"deploy", "hi", "../../functions/hello", "--env", "GREETING=Moin", "--timeout", "5"}, "", exitOK, "created hi: 128 MB, 5 s", "uploading"},
		{"invoke", []string{"invoke", "hi", "--payload", `{"name":"Ada"}`}, "", exitOK, `"message":"Moin, Ada!"`, ""},
		{"log", []string{"invoke", "hi", "--log"}, "", exitOK, "Moin, World!", "REPORT RequestId: "},
		{"payload from a file", []string{"invoke", "hi", "--payload", "@" + file}, "", exitOK, "Moin, File!", ""},
		{"payload from stdin", []string{"invoke", "hi", "--payload", "-"}, `{"name":"Stdin"}`, exitOK, "Moin, Stdin!", ""},
		{"asynchronously", []string{"invoke", "hi", "--type", "Event"}, "", exitOK, "", "accepted: request "},
		{"dry run", []string{"invoke", "hi", "--type", "DryRun"}, "", exitOK, "", "could be invoked"},
		{"a function's error", []string{"invoke", "hi", "--payload", `{"fail":true}`}, "", exitError, `"errorType":"greetingError"`, "the function answered with an error"},
		{"deploy again", []string{"deploy", "hi", "../../functions/hello", "--memory", "256", "--handler", "mine"}, "", exitOK, "updated hi: 256 MB, 5 s", ""},
		{"and again", []string{"deploy", "hi", "../../functions/hello"}, "", exitOK, "updated hi: 256 MB, 5 s", ""},
		{"handler kept", []string{"list", "--json"}, "", exitOK, `"Handler": "mine"`, ""},
		{"settings kept", []string{"invoke", "hi"}, "", exitOK, "Moin, World!", ""},
		{"list", []string{"list"}, "", exitOK, "hi    256 MB", ""},
		{"list as JSON", []string{"list", "--json"}, "", exitOK, `"FunctionName": "hi"`, ""},
		{"delete", []string{"delete", "hi"}, "", exitOK, "deleted hi", ""},
		{"gone", []string{"invoke", "hi"}, "", exitError, "", "ResourceNotFoundException"},
	}
	for _, s := range steps {
		got := run(t, env, s.stdin, s.args...)
		if got.code != s.code || !strings.Contains(got.stdout, s.stdout) || !strings.Contains(got.stderr, s.stderr) {
			t.Errorf("%s: exit %d\nstdout: %s\nstderr: %s\nwant exit %d, stdout with %q, stderr with %q",
				s.name, got.code, got.stdout, got.stderr, s.code, s.stdout, s.stderr)
		}
	}
}

func TestBuildWritesAModule(t *testing.T) {
	source, err := filepath.Abs("../../functions")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	for _, c := range []struct{ name, file, said string }{
		{"stdio", "stdio.wasm", "stdio.wasm: a command of "},
		{"hello", "other.wasm", "other.wasm: a reactor of "},
	} {
		args := []string{"build", filepath.Join(source, c.name)}
		if c.file != c.name+".wasm" {
			args = append(args, "-o", c.file, "--seam", "direct")
		}
		got := run(t, nil, "", args...)
		module, err := os.ReadFile(c.file)
		if got.code != exitOK || !strings.HasPrefix(got.stdout, c.said) || err != nil || !bytes.HasPrefix(module, []byte("\x00asm")) {
			t.Errorf("%v: %+v, %d bytes, %v", args, got, len(module), err)
		}
	}
}

func TestBenchPrintsWhatItMeasured(t *testing.T) {
	small := []string{"bench", "--function", "echo", "--rounds", "1", "--requests", "5", "--cold", "1", "--warmup", "0", "--concurrency", "2"}
	if got := run(t, nil, "", small...); got.code != exitOK || !strings.Contains(got.stdout, "cold / warm") || !strings.Contains(got.stderr, "round 1 of 1") {
		t.Errorf("table: %+v", got)
	}
	var report struct{ Config struct{ Requests int } }
	if got := run(t, nil, "", append(small, "--json")...); got.code != exitOK || json.Unmarshal([]byte(got.stdout), &report) != nil || report.Config.Requests != 5 {
		t.Errorf("JSON: %+v", got)
	}
}

func TestBareModulesAndCommandsAreDeployed(t *testing.T) {
	env := startHost(t)
	file := filepath.Join(t.TempDir(), "stdio.wasm")
	if err := os.WriteFile(file, gobuildtest.Function(t, "stdio"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := run(t, env, "", "deploy", "stdio", file); got.code != exitOK {
		t.Fatalf("deploy: %+v", got)
	}
	if got := run(t, env, "", "invoke", "stdio", "--payload", `{"a":1}`); got.code != exitOK || got.stdout == "" {
		t.Errorf("invoke: %+v", got)
	}
}

func TestWhatCannotBeDoneIsSaidClearly(t *testing.T) {
	dir := t.TempDir()
	notWasm := filepath.Join(dir, "text.wasm")
	if err := os.WriteFile(notWasm, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	live := startHost(t)
	nowhere := []string{"LAMBENT_ENDPOINT=http://127.0.0.1:1"}
	cases := []struct {
		name   string
		env    []string
		args   []string
		code   int
		stderr string
	}{
		{"unknown command", nil, []string{"frobnicate"}, exitUsage, "frobnicate"},
		{"unknown command for extensions", nil, []string{"extension", "frobnicate"}, exitUsage, "frobnicate"},
		{"help for an unknown command", nil, []string{"help", "frobnicate"}, exitUsage, "frobnicate"},
		{"help for too much", nil, []string{"help", "list", "all"}, exitUsage, "list all"},
		{"unknown flag", nil, []string{"list", "--colour"}, exitUsage, "--colour"},
		{"argument missing", nil, []string{"deploy", "f"}, exitUsage, "FILE.wasm, FILE.zip or DIR is missing"},
		{"argument too many", nil, []string{"list", "all"}, exitUsage, `"all" is one argument too many`},
		{"environment without a value", nil, []string{"deploy", "f", notWasm, "--env", "NOVALUE"}, exitUsage, "NOVALUE"},
		{"log level", nil, []string{"serve", "--data", dir, "--log-level", "loud"}, exitUsage, "--log-level"},
		{"account", nil, []string{"serve", "--data", dir, "--account", "12"}, exitUsage, "--account: "},
		{"snapshots", nil, []string{"serve", "--data", dir, "--snapstart", "sometimes", "--isolation", "process", "--snapshot-space", "0"}, exitUsage, "--snapstart: \"sometimes\" is not one of api, all, off\n--snapshot-space: 0 is below 1\n--isolation: \"process\" is not one of environment, request"},
		{"several faults at once", nil, []string{"serve", "--listen", "nonsense", "--idle", "-5s"}, exitUsage, "--listen: address nonsense: missing port in address\n--idle: -5s is not positive"},
		{"bench settings", nil, []string{"bench", "--rounds", "0", "--function", "silk"}, exitUsage, "--rounds: 0 is not between 1 and 1000\n--function: \"silk\""},
		{"help for nothing", nil, []string{"help", "frobnicate"}, exitUsage, `no command "frobnicate"`},
		{"completion for nothing", nil, []string{"completion", "tcsh"}, exitUsage, `"tcsh" is not one of bash`},
		{"type of invocation", nowhere, []string{"invoke", "f", "--type", "event"}, exitUsage, `--type: "event" is not one of RequestResponse, Event, DryRun`},
		{"endpoint of another kind", nil, []string{"list", "--endpoint", "ftp://127.0.0.1"}, exitUsage, `--endpoint: "ftp://127.0.0.1" is not a URL`},
		{"endpoint without a host", []string{"LAMBENT_ENDPOINT=http://"}, []string{"delete", "f"}, exitUsage, `LAMBENT_ENDPOINT: "http://"`},
		{"endpoint that does not parse", nil, []string{"deploy", "f", "../../functions/hello", "--endpoint", ":::"}, exitUsage, "--endpoint: "},
		{"no folder for the module", nil, []string{"build", "-o", filepath.Join(dir, "no", "x.wasm"), "../../functions/hello"}, exitError, "--output: there is no folder"},
		{"seam", nil, []string{"build", "--seam", "silk", dir}, exitUsage, "--seam"},
		{"no host", nowhere, []string{"list"}, exitError, "no answer from the host"},
		{"no file", live, []string{"deploy", "f", filepath.Join(dir, "missing.wasm")}, exitError, "missing.wasm"},
		{"no module", live, []string{"deploy", "f", notWasm}, exitError, "unzip"},
		{"payload is not JSON", live, []string{"invoke", "f", "--payload", "{"}, exitError, "InvalidRequestContentException"},
		{"not a Go package", nil, []string{"build", "-o", filepath.Join(dir, "x.wasm"), dir}, exitError, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := run(t, c.env, "", c.args...)
			if got.code != c.code || !strings.Contains(got.stderr, c.stderr) {
				t.Errorf("exit %d, stderr %q; want %d and %q", got.code, got.stderr, c.code, c.stderr)
			}
		})
	}
}

func TestHelpAndCompletion(t *testing.T) {
	help := run(t, nil, "", "help")
	for _, command := range []string{"demo", "serve", "build", "deploy", "invoke", "list", "delete", "extension", "completion", "version"} {
		if !strings.Contains(help.stdout, "\n  "+command+" ") {
			t.Errorf("help does not list %s", command)
		}
		if got := run(t, nil, "", "help", command); got.code != exitOK || len(got.stdout) < 80 {
			t.Errorf("help %s: %+v", command, got)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if got := run(t, nil, "", "completion", shell); got.code != exitOK || !strings.Contains(got.stdout, "lambent") {
			t.Errorf("completion for %s: exit %d, %d bytes", shell, got.code, len(got.stdout))
		}
	}
	if got := run(t, nil, "", "version"); !strings.HasPrefix(got.stdout, "lambent ") {
		t.Errorf("version: %+v", got)
	}
}
