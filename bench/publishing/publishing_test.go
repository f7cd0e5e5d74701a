package publishing

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/lambent-host/lambent/bench/interpreters"
	"github.com/lambent-host/lambent/host"
	"github.com/lambent-host/lambent/host/client"
	"github.com/lambent-host/lambent/host/lambdaapi"
	"github.com/lambent-host/lambent/sandbox"
	"github.com/lambent-host/lambent/sandbox/publish"
)

func TestMain(m *testing.M) {
	publish.ExitIfChild()
	goleak.VerifyTestMain(m)
}

func TestValidateNamesEveryFault(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	err := Config{Modules: []string{"perl"}, Neighbour: "perl", Limit: -1}.Validate()
	for _, field := range []string{"Rounds", "Modules", "Neighbour", "Limit"} {
		if err == nil || !strings.Contains(err.Error(), "field "+field+": ") {
			t.Errorf("%v, want %s in it", err, field)
		}
	}
}

func TestRunMeasuresWhatAChildTakes(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: compiling a Go module takes seconds")
	}
	report, err := Run(t.Context(), Config{Rounds: 1, Modules: []string{"go"}, Neighbour: "go", Limit: 5 * time.Minute}, nil)
	if err != nil {
		t.Fatal(err)
	}
	row := report.Rows[0]
	for name, figure := range map[string]float64{
		"WallMs": row.WallMs.Median, "CPUMs": row.CPUMs.Median, "MeterMs": row.MeterMs.Median,
		"CompileMs": row.CompileMs.Median, "LoadMs": row.LoadMs.Median, "share": row.MeterShare.Median,
	} {
		if figure <= 0 {
			t.Errorf("%s is %v", name, figure)
		}
	}
	if n := report.Neighbour; n.Idle.Requests == 0 || n.Publishing.Requests == 0 {
		t.Errorf("%+v", n)
	}
	var table, document bytes.Buffer
	if err := errors.Join(report.WriteTable(&table), report.WriteJSON(&document)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(table.String(), "a neighbour's warm invocations") || !json.Valid(document.Bytes()) {
		t.Errorf("%s\n%s", table.String(), document.String())
	}
}

func TestAnotherIsTheSameModuleUnderAnotherDigest(t *testing.T) {
	wasm := []byte("\x00asm\x01\x00\x00\x00\x01\x04\x01\x60\x00\x00\x03\x02\x01\x00\x07\x0a\x01\x06_start\x00\x00\x0a\x04\x01\x02\x00\x0b")
	seen := map[string]bool{string(wasm): true}
	for n := range uint64(300) {
		next := another(wasm, n)
		if _, err := sandbox.Inspect(next); err != nil || seen[string(next)] {
			t.Fatalf("%d: %v, seen: %v", n, err, seen[string(next)])
		}
		seen[string(next)] = true
	}
}

// python is a handler for CPython as it is: the interpreter imports sitecustomize
// from PYTHONPATH before anything else.
const python = `import json, os, sys
event = json.load(sys.stdin)
json.dump({"sum": sum(event["numbers"]), "python": sys.version_info[:2]}, sys.stdout)
sys.stdout.flush()
os._exit(0)
`

// A package of more than 20 MB with an interpreter in it is created over the API and
// compiled in a child, and answers.
func TestCPythonIsAFunction(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: compiling CPython takes seconds")
	}
	wasm, err := interpreters.CPython.Fetch(t.Context())
	if errors.Is(err, interpreters.ErrUnavailable) {
		t.Skipf("SKIPPED: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	var upload bytes.Buffer
	archive := zip.NewWriter(&upload)
	for name, content := range map[string][]byte{"bootstrap": wasm, "sitecustomize.py": []byte(python)} {
		w, err := archive.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store}) // as large as it gets
		if err == nil {
			_, err = w.Write(content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	cfg := host.DefaultConfig()
	cfg.Listen, cfg.DataDir = "127.0.0.1:0", t.TempDir()
	h, err := host.New(t.Context(), cfg, zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.DebugLevel))
	if err != nil {
		t.Fatal(err)
	}
	h.Start()
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := h.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	}()
	c := client.New("http://" + h.Addr())
	defer c.CloseIdle()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	name, role, runtime, handler, memory, timeout := "python", "arn:aws:iam::000000000000:role/test", lambdaapi.DefaultRuntime, "bootstrap", 512, 60
	if _, _, err := c.Deploy(ctx, &lambdaapi.CreateFunctionRequest{
		FunctionName: &name, Role: &role, Code: &lambdaapi.FunctionCode{ZipFile: upload.Bytes()},
		FunctionSettings: lambdaapi.FunctionSettings{
			Runtime: &runtime, Handler: &handler, MemorySize: &memory, Timeout: &timeout,
			Environment: &lambdaapi.Environment{Variables: map[string]string{"PYTHONPATH": "/var/task"}},
		},
	}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		out, err := c.Invoke(ctx, client.InvokeInput{Name: name, Payload: []byte(`{"numbers": [1, 2, 39]}`)})
		if err != nil || string(out.Payload) != `{"sum": 42, "python": [3, 11]}` {
			t.Fatalf("%+v, %v", out, err)
		}
	}
}
