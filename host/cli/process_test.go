package cli

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lambent-host/lambent/abi/gobuild/gobuildtest"
)

// programDir holds the real binary once a test has needed it.
var programDir string

// program builds the real binary once.
var program = sync.OnceValues(func() (string, error) {
	var err error
	if programDir, err = os.MkdirTemp("", "lambent-cli-test-"); err != nil {
		return "", err
	}
	path := filepath.Join(programDir, "lambent")
	build := exec.Command("go", "build", "-o", path, "github.com/lambent-host/lambent/host/cmd/lambent")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	return path, build.Run()
})

func lambent(t *testing.T) string {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// served is a host in a process of its own.
type served struct {
	*exec.Cmd
	addr  string
	first string        // the first line of the log
	log   *bufio.Reader // what comes after it
}

// serve starts the real program and waits until it listens.
func serve(t *testing.T, data string) *served {
	t.Helper()
	return serveOn(t, "127.0.0.1:0", data)
}

func serveOn(t *testing.T, listen, data string) *served {
	t.Helper()
	cmd := exec.Command(lambent(t), "serve", "--listen", listen, "--data", data)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // for a test that did not end it itself
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	log := bufio.NewReader(stderr)
	line, err := log.ReadString('\n')
	match := regexp.MustCompile(`"address":"([^"]+)"`).FindStringSubmatch(line)
	if match == nil {
		t.Fatalf("first line %q (%v): want JSON with the address, since stderr is no terminal", line, err)
	}
	return &served{cmd, match[1], line, log}
}

func TestServeAnswersAndEndsCleanlyOnASignal(t *testing.T) {
	for _, signal := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		t.Run(signal.String(), func(t *testing.T) {
			host := serve(t, t.TempDir())
			response, err := http.Get("http://" + host.addr + "/lambent/healthz")
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			http.DefaultClient.CloseIdleConnections()
			if response.StatusCode != http.StatusOK {
				t.Errorf("healthz: %s", response.Status)
			}
			if err := host.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			rest, _ := io.ReadAll(host.log)
			if err := host.Wait(); err != nil {
				t.Errorf("serve ended with %v:\n%s", err, rest)
			}
		})
	}
}

func TestServeWarnsWhenOthersCanReachIt(t *testing.T) {
	for listen, exposed := range map[string]bool{"127.0.0.1:0": false, "[::1]:0": false, "0.0.0.0:0": true, ":0": true} {
		host := serveOn(t, listen, t.TempDir())
		if err := host.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		rest, _ := io.ReadAll(host.log)
		if err := host.Wait(); err != nil {
			t.Errorf("serve ended with %v", err)
		}
		if warned := strings.Contains(host.first+string(rest), "signatures are not verified"); warned != exposed {
			t.Errorf("--listen %s: warned %v, want %v:\n%s%s", listen, warned, exposed, host.first, rest)
		}
	}
}

func TestTheDemoShowsAFunctionsLife(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	demo := exec.CommandContext(ctx, lambent(t), "demo")
	temp := t.TempDir()
	demo.Env = append(os.Environ(), "TMPDIR="+temp)
	out, err := demo.CombinedOutput()
	if err != nil {
		t.Fatalf("demo: %v\n%s", err, out)
	}
	// In the order in which a reader meets them.
	rest := string(out)
	for _, want := range []string{
		"build functions/hello", "build extensions/examples/timeline", "A host listens on http://127.0.0.1:",
		"create the function demo-lambda", "cold: a new environment", "Hello, cold!", "warm: the same environment",
		"202, no body", "greetingError", "Task timed out after 1.00 seconds",
		"What the extension received", "initStart", "Subscribed to platform, function", "initReport",
		"start  ", "greeting cold", "runtimeDone", "billed ", "greeting later", "timeout, 1000.0 ms", "SHUTDOWN", "because of timeout",
		"p50 to warm", "cold ", "warm ",
	} {
		_, after, found := strings.Cut(rest, want)
		if !found {
			t.Fatalf("%q is missing, or not where it belongs, in:\n%s", want, out)
		}
		rest = after
	}
	if n := strings.Count(string(out), " initStart"); n != 1 {
		t.Errorf("%d environments were made where the second invocation is said to be warm:\n%s", n, out)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) != 0 {
		t.Errorf("the demo left %v behind (%v)", left, err)
	}
}

func TestTheDemoKeepsTheHostUntilInterrupted(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	demo := exec.CommandContext(ctx, lambent(t), "demo", "--keep")
	stdout, err := demo.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := demo.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	var curl string
	for lines.Scan() && curl == "" {
		if strings.HasPrefix(strings.TrimSpace(lines.Text()), "curl ") {
			curl = lines.Text()
		}
	}
	_, address, found := strings.Cut(curl, "http://")
	if !found {
		t.Fatalf("no URL in %q", curl)
	}
	response, err := http.Post("http://"+address, "application/json", strings.NewReader(`{"name":"Ada"}`))
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(response.Body)
	response.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if !strings.Contains(string(body), "Hello, Ada!") {
		t.Errorf("the host that was kept answered %s", body)
	}
	if err := demo.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, stdout)
	if err := demo.Wait(); err != nil {
		t.Errorf("demo --keep ended with %v", err)
	}
}

func TestTheDemoSaysWhereItMustBeRun(t *testing.T) {
	demo := exec.CommandContext(t.Context(), lambent(t), "demo")
	demo.Dir = t.TempDir()
	out, err := demo.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "run it in a checkout of") {
		t.Errorf("demo outside a checkout: %v\n%s", err, out)
	}
}

func TestTheDemoLeavesNothingWhenInterrupted(t *testing.T) {
	for _, after := range []string{"build functions/hello", "A host listens", "Invocations"} {
		t.Run(after, func(t *testing.T) {
			temp := t.TempDir()
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			demo := exec.CommandContext(ctx, lambent(t), "demo")
			demo.Env = append(os.Environ(), "TMPDIR="+temp)
			var stderr strings.Builder
			demo.Stderr = &stderr
			stdout, err := demo.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := demo.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(stdout)
			for lines.Scan() && !strings.HasPrefix(lines.Text(), after) {
				continue
			}
			if err := demo.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, stdout)
			_ = demo.Wait()
			if code := demo.ProcessState.ExitCode(); code != exitError || stderr.String() != "lambent: interrupted\n" {
				t.Errorf("exit code %d, stderr %q", code, stderr.String())
			}
			if left, err := os.ReadDir(temp); err != nil || len(left) != 0 {
				t.Errorf("the demo left %v behind (%v)", left, err)
			}
		})
	}
}

// An interrupted go command can leave its temporary folder; a stand-in for it
// always does.
func TestTheExtensionIsBuiltInsideTheDemosFolder(t *testing.T) {
	bin, work := t.TempDir(), t.TempDir()
	script := "#!/bin/sh\nmkdir \"${GOTMPDIR:-$TMPDIR}/go-build1\"\necho no luck\nexit 1\n"
	if err := os.WriteFile(filepath.Join(bin, "go"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv("TMPDIR", t.TempDir())
	d := &demo{app: &app{Process: Process{Env: os.Environ()}}, work: work, source: t.TempDir(), extensions: work}
	if err := d.buildExtension(t.Context()); err == nil || !strings.Contains(err.Error(), "no luck") {
		t.Errorf("error %v, want the one of the go command with what it wrote", err)
	}
	if _, err := os.Stat(filepath.Join(work, "go-build1")); err != nil {
		t.Errorf("the go command's temporary folder is not in the demo's: %v", err)
	}
}

// The first signal waits for what is running, the second for nothing.
func TestServeEndsAtOnceOnASecondSignal(t *testing.T) {
	data := t.TempDir()
	served := serve(t, data)
	endpoint := []string{"LAMBENT_ENDPOINT=http://" + served.addr}
	file := filepath.Join(data, "hello.wasm")
	if err := os.WriteFile(file, gobuildtest.Function(t, "hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := run(t, endpoint, "", "deploy", "hello", file, "--timeout", "600"); got.code != exitOK {
		t.Fatalf("deploy: %+v", got)
	}
	if got := run(t, endpoint, "", "invoke", "hello", "--type", "Event", "--payload", `{"sleepMs":600000}`); got.code != exitOK {
		t.Fatalf("invoke: %+v", got)
	}
	if err := served.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	for line := ""; !strings.Contains(line, "shutting down"); {
		var err error
		if line, err = served.log.ReadString('\n'); err != nil {
			t.Fatalf("%v before the host said that it ends", err)
		}
	}
	if err := served.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, served.log)
	_ = served.Wait()
	if status, ok := served.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
		t.Errorf("serve ended with %v, not by the second signal", served.ProcessState)
	}
}
