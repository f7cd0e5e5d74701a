package host_test

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lambent-host/lambent/abi/gobuild/gobuildtest"
)

// archive packs files, name by name, into a zip.
func archive(t *testing.T, files ...[2]string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, f := range files {
		entry, err := w.Create(f[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(entry, f[1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// importing is a module that imports one function of no arguments and exports a
// _start that does nothing.
func importing(module, name string) string {
	imports := "\x01" + string(rune(len(module))) + module + string(rune(len(name))) + name + "\x00\x00"
	return "\x00asm\x01\x00\x00\x00" +
		"\x01\x04\x01\x60\x00\x00" +
		"\x02" + string(rune(len(imports))) + imports +
		"\x03\x02\x01\x00" +
		"\x07\x0a\x01\x06_start\x00\x01" +
		"\x0a\x04\x01\x02\x00\x0b"
}

// send sends a body as it is and returns the answer.
func (f *fixture) send(t *testing.T, method, path, body string, header map[string]string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+f.Addr()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(text)
}

func createBody(name string, upload []byte) string {
	return fmt.Sprintf(`{"FunctionName":%q,"Role":"arn:aws:iam::000000000000:role/r","Runtime":"provided.al2023","Handler":"h","Code":{"ZipFile":%q}}`,
		name, base64.StdEncoding.EncodeToString(upload))
}

// Every bad upload gets the API's own error, which names what is wrong, and
// leaves nothing half-made.
func TestBadUploadsAreRefusedAndLeaveNothing(t *testing.T) {
	f := start(t)
	const functions = "/2015-03-31/functions"
	cases := []struct {
		name, body string
		status     int
		code       string
		message    string // a part of it
	}{
		{"not JSON", `{"FunctionName":`, 400, "", ""},
		{"wrong type", `{"FunctionName":7}`, 400, "", "FunctionName"},
		{"nothing in it", `{}`, 400, "ValidationException", "functionName"},
		{"bad name", createBody("no spaces", []byte(importing("wasi_snapshot_preview1", "x"))), 400, "ValidationException", "functionName"},
		{"corrupt zip", createBody("f", []byte("PK\x03\x04 and no more")), 400, "InvalidParameterValueException", "Could not unzip uploaded file"},
		{"no module in it", createBody("f", archive(t, [2]string{"README", "hello"})), 400, "InvalidParameterValueException", "README"},
		{"path trick", createBody("f", archive(t, [2]string{"../../etc/main.wasm", "\x00asm\x01\x00\x00\x00"})), 400, "InvalidParameterValueException", ".."},
		{"an ELF file", createBody("f", archive(t, [2]string{"bootstrap", "\x7fELF and more"})), 400, "InvalidParameterValueException", "bootstrap"},
		{"unknown import", createBody("f", []byte(importing("env", "launch"))), 400, "InvalidParameterValueException", `\"env\".\"launch\"`},
		{"torn module", createBody("f", []byte("\x00asm\x01\x00\x00\x00\x01\x7f")), 400, "InvalidParameterValueException", "type"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			response, body := f.send(t, http.MethodPost, functions, c.body, map[string]string{"Content-Type": "application/json"})
			kind := response.Header.Get("x-amzn-ErrorType")
			if response.StatusCode != c.status || (c.code != "" && kind != c.code) || kind == "" || !strings.Contains(body, c.message) {
				t.Errorf("%d %s %s; want %d %s and %q", response.StatusCode, kind, body, c.status, c.code, c.message)
			}
		})
	}
	if _, list := f.send(t, http.MethodGet, functions, "", nil); !strings.Contains(list, `"Functions":[]`) {
		t.Errorf("a refused upload made a function: %s", list)
	}
	left, err := filepath.Glob(filepath.Join(f.dir, "code", "*"))
	if err != nil || len(left) != 0 {
		t.Errorf("refused uploads left %v (%v)", left, err)
	}
	if left, err := os.ReadDir(filepath.Join(f.dir, "tmp")); err != nil || len(left) != 0 {
		t.Errorf("the folder of environments has %v (%v)", left, err)
	}
}

func TestBadInvocationsAreRefused(t *testing.T) {
	f := start(t)
	f.deploy(t, "stdio", "stdio", settings{})
	const invocations = "/2015-03-31/functions/%s/invocations"
	cases := []struct {
		name, function, body string
		header               map[string]string
		status               int
		code, message        string
	}{
		{"unknown function", "nobody", `{}`, nil, 404, "ResourceNotFoundException", "function:nobody"},
		{"unknown version", "stdio:7", `{}`, nil, 404, "ResourceNotFoundException", "stdio:7"},
		{"bad ARN", "arn:aws:s3:::x", `{}`, nil, 400, "ValidationException", "functionName"},
		{"not JSON", "stdio", `{"a"`, nil, 400, "InvalidRequestContentException", "Could not parse request body into json"},
		{"not JSON, asynchronous", "stdio", `{"a"`, map[string]string{"X-Amz-Invocation-Type": "Event"}, 400, "InvalidRequestContentException", "json"},
		{"invocation type", "stdio", `{}`, map[string]string{"X-Amz-Invocation-Type": "Later"}, 400, "", "invocationType"},
		{"client context", "stdio", `{}`, map[string]string{"X-Amz-Client-Context": "%%%"}, 400, "InvalidRequestContentException", "Client Context"},
		{"payload too large", "stdio", `"` + strings.Repeat("x", 6<<20) + `"`, nil, 413, "RequestTooLargeException", "6291456"},
		{"payload too large, asynchronous", "stdio", `"` + strings.Repeat("x", 1<<20) + `"`, map[string]string{"X-Amz-Invocation-Type": "Event"}, 413, "RequestTooLargeException", "1048576"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			response, body := f.send(t, http.MethodPost, fmt.Sprintf(invocations, c.function), c.body, c.header)
			kind := response.Header.Get("x-amzn-ErrorType")
			if response.StatusCode != c.status || (c.code != "" && kind != c.code) || kind == "" || !strings.Contains(strings.ToLower(body), strings.ToLower(c.message)) {
				t.Errorf("%d %s %.300s; want %d %s and %q", response.StatusCode, kind, body, c.status, c.code, c.message)
			}
		})
	}
	out := f.invoke(t, "stdio", `{}`)
	if out.FunctionError != nil {
		t.Errorf("after all that a good invocation fails: %s", out.Payload)
	}
}

// A module that parses but does not validate is found out in the background:
// the function is Failed, says why, and can be repaired.
func TestAModuleThatDoesNotValidateFailsAndCanBeRepaired(t *testing.T) {
	f := start(t)
	leftover := "\x00asm\x01\x00\x00\x00\x01\x04\x01\x60\x00\x00\x03\x02\x01\x00\x07\x0a\x01\x06_start\x00\x00\x0a\x06\x01\x04\x00\x41\x00\x0b"
	if response, body := f.send(t, http.MethodPost, "/2015-03-31/functions", createBody("f", []byte(leftover)), nil); response.StatusCode != 201 {
		t.Fatalf("%d %s", response.StatusCode, body)
	}
	waitFor(t, 10*time.Second, func() bool {
		_, body := f.send(t, http.MethodGet, "/2015-03-31/functions/f/configuration", "", nil)
		return strings.Contains(body, `"State":"Failed"`) && strings.Contains(body, "invalid")
	}, "the function to be Failed with its reason")
	if response, body := f.send(t, http.MethodPost, "/2015-03-31/functions/f/invocations", `{}`, nil); response.StatusCode < 400 || response.StatusCode >= 500 {
		t.Errorf("invoking a Failed function: %d %s, want a refusal", response.StatusCode, body)
	}
	good := fmt.Sprintf(`{"ZipFile":%q}`, base64.StdEncoding.EncodeToString(gobuildtest.Function(t, "stdio")))
	if response, body := f.send(t, http.MethodPut, "/2015-03-31/functions/f/code", good, nil); response.StatusCode != 200 {
		t.Fatalf("update: %d %s", response.StatusCode, body)
	}
	f.waitActive(t, "f")
	if out := f.invoke(t, "f", `{}`); out.FunctionError != nil {
		t.Errorf("the repaired function: %s", out.Payload)
	}
}
