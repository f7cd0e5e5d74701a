package httpapi

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

const layerBase = "/2018-10-31/layers"

// layerBody is a PublishLayerVersion request of an archive with one file.
func layerBody(t *testing.T, content, more string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	file, err := w.Create("data.txt")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return `{"Content":{"ZipFile":"` + base64.StdEncoding.EncodeToString(b.Bytes()) + `"}` + more + `}`
}

func TestALayerIsPublishedListedAndDeleted(t *testing.T) {
	f := start(t)
	const arn = "arn:aws:lambda:us-east-1:123456789012:layer:tools"
	path := layerBase + "/tools/versions"
	made := f.expect(http.StatusCreated, "POST", path, layerBody(t, "one", `,"Description":"d","CompatibleRuntimes":["provided.al2023"],"LicenseInfo":"MIT"`)).object(t)
	own := strings.Replace(arn, "123456789012", account, 1)
	for key, want := range map[string]any{
		"LayerArn": own, "LayerVersionArn": own + ":1", "Version": 1.0, "Description": "d", "LicenseInfo": "MIT",
		"CompatibleRuntimes": []any{"provided.al2023"},
	} {
		if got := made[key]; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s is %v, want %v", key, got, want)
		}
	}
	f.expect(http.StatusCreated, "POST", path, layerBody(t, "two", ""))
	got := f.expect(http.StatusOK, "GET", path+"/1", "").body
	for _, other := range []string{layerBase + "/" + own + "/versions/1", layerBase + "?find=LayerVersion&Arn=" + own + ":1"} {
		if same := f.expect(http.StatusOK, "GET", other, "").body; same != got {
			t.Errorf("%s is %s, want %s", other, same, got)
		}
	}
	if list := f.expect(http.StatusOK, "GET", path+"?MaxItems=1", "").object(t); list["NextMarker"] != "2" || !strings.Contains(fmt.Sprint(list["LayerVersions"]), own+":2") {
		t.Errorf("the first page is %v", list)
	}
	if rest := f.expect(http.StatusOK, "GET", path+"?Marker=2", "").body; !strings.Contains(rest, own+":1") || strings.Contains(rest, own+":2") {
		t.Errorf("the second page is %s", rest)
	}
	if all := f.expect(http.StatusOK, "GET", layerBase+"?CompatibleArchitecture=x86_64", "").body; all != `{"Layers":[]}` {
		t.Errorf("of an architecture that no layer names: %s", all)
	}
	for range 2 { // a second time is no error
		f.expect(http.StatusNoContent, "DELETE", path+"/1", "")
	}
	f.refused(http.StatusNotFound, "ResourceNotFoundException", own+":1 does not exist", "GET", path+"/1", "")
	f.refused(http.StatusNotFound, "ResourceNotFoundException", own+":1 does not exist", "GET", layerBase+"?find=LayerVersion&Arn="+own+":1", "")
}

func TestBadLayersAreRefused(t *testing.T) {
	f := start(t)
	path := layerBase + "/tools/versions"
	for _, c := range []struct {
		status                             int
		code, contains, method, path, body string
	}{
		{400, "ValidationException", "null at 'content'", "POST", path, `{}`},
		{400, "ValidationException", "'licenseInfo'", "POST", path, layerBody(t, "x", `,"LicenseInfo":"`+strings.Repeat("x", 513)+`"`)},
		{400, "ValidationException", "'compatibleRuntimes'", "POST", path, layerBody(t, "x", `,"CompatibleRuntimes":[`+strings.Repeat(`"a",`, 15)+`"a"]`)},
		{400, "ValidationException", "'compatibleArchitectures'", "POST", path, layerBody(t, "x", `,"CompatibleArchitectures":["riscv"]`)},
		{400, "ValidationException", "'compatibleArchitectures'", "POST", path, layerBody(t, "x", `,"CompatibleArchitectures":["arm64","x86_64","arm64"]`)},
		{400, "ValidationException", "'layerName'", "POST", layerBase + "/a%20b/versions", layerBody(t, "x", "")},
		{400, "InvalidParameterValueException", "NoSuchBucket", "POST", path, `{"Content":{"S3Bucket":"b","S3Key":"k"}}`},
		{400, "InvalidParameterValueException", "source for layer content", "POST", path, `{"Content":{}}`},
		{400, "InvalidParameterValueException", "Could not unzip", "POST", path, `{"Content":{"ZipFile":"UEs="}}`},
		{400, "SerializationException", "base64", "POST", path, `{"Content":{"ZipFile":"%"}}`},
		{400, "SerializationException", "VersionNumber", "GET", path + "/one", ""},
		{400, "InvalidParameterValueException", "Layer Version Cannot be less than 1", "GET", path + "/0", ""},
		{400, "ValidationException", "'arn'", "GET", layerBase + "?find=LayerVersion&Arn=nonsense", ""},
		{404, "ResourceNotFoundException", "does not exist", "GET", path + "/1", ""},
		{404, "ResourceNotFoundException", "does not exist", "GET", layerBase + "/arn:aws:lambda:eu-west-1:" + account + ":layer:tools/versions", ""},
		{404, "ResourceNotFoundException", "no such layer", "GET", "/lambent/layers/..%2f..%2fdb", ""},
		{404, "ResourceNotFoundException", "no such layer", "GET", "/lambent/layers/" + strings.Repeat("0", 64), ""},
	} {
		f.refused(c.status, c.code, c.contains, c.method, c.path, c.body)
	}
	if all := f.expect(http.StatusOK, "GET", layerBase, "").body; all != `{"Layers":[]}` {
		t.Errorf("made anyway: %s", all)
	}
}
