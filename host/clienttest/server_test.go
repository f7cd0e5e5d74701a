package clienttest

import (
	"archive/zip"
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/lambent-host/lambent/abi/gobuild"
	"github.com/lambent-host/lambent/abi/gobuild/gobuildtest"
	"github.com/lambent-host/lambent/host"
	"github.com/lambent-host/lambent/sandbox/publish"
)

func TestMain(m *testing.M) {
	publish.ExitIfChild()
	goleak.VerifyTestMain(m)
}

const (
	roleARN = "arn:aws:iam::000000000000:role/test"
	arnOf   = "arn:aws:lambda:us-east-1:000000000000:function:"
)

// limit bounds one client's whole sequence.
const limit = 8 * time.Minute

// serve runs a host until the test ends and returns its endpoint. Compiled
// modules are kept over tests and runs: a Go module takes seconds to compile.
func serve(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: real clients are slow to start")
	}
	cfg := host.DefaultConfig()
	cfg.Listen = "127.0.0.1:0"
	cfg.DataDir = t.TempDir()
	if dir, err := os.UserCacheDir(); err == nil {
		cfg.CompileCacheDir = filepath.Join(dir, "lambent-test", "compiled")
		cfg.CompileCacheKey = []byte("of the tests")
	}
	h, err := host.New(t.Context(), cfg, zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.WarnLevel))
	if err != nil {
		t.Fatal(err)
	}
	h.Start()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := h.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	return "http://" + h.Addr()
}

// mirror is the function of testdata/mirror.
func mirror(t *testing.T) []byte {
	t.Helper()
	return gobuildtest.Package(t, "host/clienttest/testdata/mirror", gobuild.SeamAuto)
}

// packages writes two deployment packages, the mirror and the echo function, and
// returns their files.
func packages(t *testing.T) (first, second string) {
	t.Helper()
	dir := t.TempDir()
	first, second = filepath.Join(dir, "mirror.zip"), filepath.Join(dir, "echo.zip")
	for file, wasm := range map[string][]byte{first: mirror(t), second: gobuildtest.Function(t, "echo")} {
		if err := os.WriteFile(file, zipped(t, wasm), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return first, second
}

func zipped(t *testing.T, wasm []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.Create("bootstrap")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(wasm); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// tool finds a program or skips the test, loudly.
func tool(t *testing.T, name string) string {
	t.Helper()
	file, err := exec.LookPath(name)
	if err != nil {
		missing(t, name+" is not installed")
	}
	return file
}

// tools finds every program of a name in PATH: two generations of a client may
// be installed beside each other, and speak differently.
func tools(t *testing.T, name string) []string {
	t.Helper()
	found := []string{tool(t, name)}
	var seen []string // a folder may be in PATH twice, under another name
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		file, err := exec.LookPath(filepath.Join(dir, name))
		if err != nil {
			continue
		}
		real, err := filepath.EvalSymlinks(file)
		if err != nil || slices.Contains(seen, real) {
			continue
		}
		if seen = append(seen, real); len(seen) > 1 {
			found = append(found, file)
		}
	}
	return found
}

// missing skips, or fails where nothing may be skipped.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s, and with CI=true nothing is skipped", what)
	}
	t.Skipf("SKIPPED: %s; this client is not tested", what)
}

// environment is that of a client: nothing of the user's AWS configuration, and
// credentials that are good for nothing.
func environment(t *testing.T) []string {
	t.Helper()
	nowhere := filepath.Join(t.TempDir(), "none")
	env := []string{
		"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_DEFAULT_REGION=us-east-1", "AWS_REGION=us-east-1",
		"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=" + nowhere, "AWS_SHARED_CREDENTIALS_FILE=" + nowhere,
		"AWS_MAX_ATTEMPTS=1", "AWS_PAGER=", "NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1",
	}
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "AWS_") || strings.EqualFold(name, "no_proxy") {
			continue
		}
		if name == "TF_CLI_CONFIG_FILE" {
			if _, err := os.Stat(value); err != nil {
				continue // Terraform refuses to start over a file that is not there
			}
		}
		env = append(env, entry)
	}
	return env
}

// output is what a program left behind.
type output struct {
	stdout, stderr string
	code           int
}

// run runs a program to its end.
func run(ctx context.Context, t *testing.T, dir string, env []string, name string, args ...string) output {
	t.Helper()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, env
	cmd.WaitDelay = 5 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatalf("%s: %v", name, err)
	}
	return output{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}
