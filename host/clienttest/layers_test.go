package clienttest

import (
	"archive/zip"
	"bytes"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lambent-host/lambent/extensions/extensionstest"
)

// layerZip writes the archive of a layer and returns its file.
func layerZip(t *testing.T, files map[string]string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, content := range files {
		h := &zip.FileHeader{Name: name, Method: zip.Deflate}
		h.SetMode(0o644)
		if strings.HasPrefix(name, "extensions/") {
			h.SetMode(0o755)
		}
		f, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "layer.zip")
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// The walk of AWS's guide, "Managing Lambda dependencies with layers", with an
// extension in the layer.
func TestAWSCLILayers(t *testing.T) {
	t.Parallel()
	sample := extensionstest.Sample(t)
	extension, err := fs.ReadFile(os.DirFS(sample), "timeline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range tools(t, "aws") {
		t.Run(file, func(t *testing.T) { t.Parallel(); layersSequence(t, newAWSCLI(t, file), string(extension)) })
	}
}

func layersSequence(t *testing.T, c *awsCLI, extension string) {
	const arn = "arn:aws:lambda:us-east-1:000000000000:layer:tools"
	broken := layerZip(t, map[string]string{"data.txt": "of version 1", "extensions/broken": "#!/bin/sh\nexit 3\n"})
	good := layerZip(t, map[string]string{"data.txt": "of version 2", "extensions/timeline": extension})
	publish := []string{"publish-layer-version", "--layer-name", "tools", "--description", "tools of the test", "--compatible-runtimes", "provided.al2023", "--zip-file"}
	first := c.do(append(publish, "fileb://"+broken)...)
	is(t, first, "LayerVersionArn", arn+":1")
	is(t, first, "LayerArn", arn)
	c.do(append(publish, "fileb://"+good)...)
	is(t, c.do("list-layers"), "Layers.0.LatestMatchingVersion.LayerVersionArn", arn+":2")
	is(t, c.do("list-layer-versions", "--layer-name", "tools"), "LayerVersions.1.LayerVersionArn", arn+":1")
	is(t, c.do("get-layer-version", "--layer-name", "tools", "--version-number", "2"), "Description", "tools of the test")
	byARN := c.do("get-layer-version-by-arn", "--arn", arn+":1")
	is(t, byARN, "LayerVersionArn", arn+":1")
	content, _ := byARN["Content"].(map[string]any)
	downloaded(t, content["Location"].(string), broken)
	c.refused("ResourceNotFoundException", "Layer version "+arn+":3 does not exist.", "get-layer-version", "--layer-name", "tools", "--version-number", "3")
	c.refused("ResourceNotFoundException", "No policy", "get-layer-version-policy", "--layer-name", "tools", "--version-number", "1")

	pkg, _ := packages(t)
	create := []string{"create-function", "--function-name", "cli-fn", "--runtime", "provided.al2023", "--handler", "bootstrap",
		"--role", roleARN, "--timeout", "20", "--zip-file", "fileb://" + pkg, "--layers"}
	c.refused("InvalidParameterValueException", "Layer version "+arn+":9 does not exist.", append(create, arn+":9")...)
	is(t, c.do(append(create, arn+":1")...), "Layers.0.Arn", arn+":1")
	c.do("wait", "function-active-v2", "--function-name", "cli-fn")
	answer, payload := c.invoke("{}")
	is(t, answer, "FunctionError", "Unhandled")
	if !strings.Contains(payload, "Extension.Crash") {
		t.Errorf("an extension that ends answers %s", payload)
	}
	c.do("update-function-configuration", "--function-name", "cli-fn", "--layers", arn+":2")
	c.do("wait", "function-updated-v2", "--function-name", "cli-fn")
	c.do("delete-layer-version", "--layer-name", "tools", "--version-number", "2") // the function keeps it
	if _, payload := c.invoke(`{"read":"/opt/data.txt"}`); !strings.Contains(payload, `"content":"of version 2"`) {
		t.Errorf("with the second version it answers %s", payload)
	}
	is(t, c.do("get-function-configuration", "--function-name", "cli-fn"), "Layers.0.Arn", arn+":2")
	c.refused("InvalidParameterValueException", "does not exist", "update-function-configuration", "--function-name", "cli-fn", "--layers", arn+":2")
	without := c.do("update-function-configuration", "--function-name", "cli-fn", "--layers")
	if layers, there := without["Layers"]; there {
		t.Errorf("layers %v although they were taken away", layers)
	}
}

// downloaded fetches what Content.Location names.
func downloaded(t *testing.T, url, file string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	var got bytes.Buffer
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := got.ReadFrom(res.Body); err != nil || !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%s has %d bytes, %v; want the %d of the upload", url, got.Len(), err, len(want))
	}
}
