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
)

// program builds the real binary once.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "lambent-cli-test-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "lambent")
	build := exec.Command("go", "build", "-o", path, "github.com/lambent-host/lambent/host/cmd/lambent")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	return path, build.Run()
})

// removeProgram undoes it when the tests are over.
func removeProgram() {
	if path, err := program(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
}

func lambent(t *testing.T) string {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestServeAnswersAndEndsCleanlyOnSIGTERM(t *testing.T) {
	for _, signal := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		t.Run(signal.String(), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			serve := exec.CommandContext(ctx, lambent(t), "serve", "--listen", "127.0.0.1:0", "--data", t.TempDir())
			stderr, err := serve.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := serve.Start(); err != nil {
				t.Fatal(err)
			}
			log := bufio.NewReader(stderr)
			line, err := log.ReadString('\n')
			match := regexp.MustCompile(`"address":"([^"]+)"`).FindStringSubmatch(line)
			if match == nil {
				t.Fatalf("first line %q (%v): want JSON with the address, since stderr is no terminal", line, err)
			}
			response, err := http.Get("http://" + match[1] + "/lambent/healthz")
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			http.DefaultClient.CloseIdleConnections()
			if response.StatusCode != http.StatusOK {
				t.Errorf("healthz: %s", response.Status)
			}
			if err := serve.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			rest, _ := io.ReadAll(log)
			if err := serve.Wait(); err != nil {
				t.Errorf("serve ended with %v:\n%s", err, rest)
			}
		})
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
	url := curl[strings.Index(curl, "http://"):]
	response, err := http.Post(url, "application/json", strings.NewReader(`{"name":"Ada"}`))
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
