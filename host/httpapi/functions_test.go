package httpapi

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

var changing = regexp.MustCompile(`"(RevisionId|LastModified)":"[^"]+"`)

// The whole answer of CreateFunction, so that no default is lost unnoticed.
func TestCreateFunctionAnswer(t *testing.T) {
	f := start(t)
	got := f.expect(201, "POST", base, createBody("f", wasmA, `"Environment":{"Variables":{"AB":"b"}},"Tags":{"a":"b"}`)).body
	const want = `{"FunctionName":"f","FunctionArn":"arn:aws:lambda:us-east-1:000000000000:function:f","Runtime":"provided.al2023",` +
		`"Role":"arn:aws:iam::000000000000:role/r","Handler":"main.wasm","CodeSize":8,"Description":"","Timeout":3,"MemorySize":128,` +
		`"LastModified":"?","CodeSha256":"k6RLu5bHUSGOTADUeeTBQ1gSKjiazKFiBbHk0NxflHY=","Version":"$LATEST",` +
		`"Environment":{"Variables":{"AB":"b"}},"TracingConfig":{"Mode":"PassThrough"},"RevisionId":"?",` +
		`"State":"Pending","StateReason":"The function is being created.","StateReasonCode":"Creating","PackageType":"Zip",` +
		`"Architectures":["x86_64"],"EphemeralStorage":{"Size":512},"SnapStart":{"ApplyOn":"None","OptimizationStatus":"Off"},` +
		`"RuntimeVersionConfig":{"RuntimeVersionArn":"arn:aws:lambda:us-east-1::runtime:lambent"},` +
		`"LoggingConfig":{"LogFormat":"Text","LogGroup":"/aws/lambda/f"}}`
	if masked := changing.ReplaceAllString(got, `"$1":"?"`); masked != want {
		t.Errorf("CreateFunction answers\n%s\nwant\n%s", masked, want)
	}
	if !regexp.MustCompile(`"LastModified":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000"`).MatchString(got) {
		t.Errorf("LastModified in %s", got)
	}
}

func TestFunctionStates(t *testing.T) {
	f := start(t)
	f.expect(201, "POST", base, createBody("f", wasmA, ""))
	state := func(key string) string {
		t.Helper()
		s, _ := f.expect(200, "GET", base+"/f/configuration", "").object(t)[key].(string)
		return s
	}
	if got := state("State"); got != "Pending" {
		t.Errorf("State %q after create", got)
	}
	f.refused(409, "ResourceConflictException", "is currently in the following state: Pending", "POST", base+"/f/invocations", "{}", "X-Amz-Invocation-Type: Event")
	f.settle()
	if s, u := state("State"), state("LastUpdateStatus"); s != "Active" || u != "Successful" {
		t.Errorf("State %q, LastUpdateStatus %q after settling", s, u)
	}
	updated := f.expect(200, "PUT", base+"/f/code", updateBody(wasmB)).object(t)
	if updated["LastUpdateStatus"] != "InProgress" || updated["CodeSize"] != float64(len(wasmB)) {
		t.Errorf("UpdateFunctionCode answers %v", updated)
	}
	f.refused(409, "ResourceConflictException", "An update is in progress for resource: "+arnOfF, "PUT", base+"/f/configuration", `{"Timeout":5}`)
	f.settle()
	o := f.expect(200, "PUT", base+"/f/configuration", `{"Timeout":5,"MemorySize":256,"Description":"d","Role":"arn:aws:iam::000000000000:role/other","Environment":{"Variables":{"XY":"1"}},"TracingConfig":{"Mode":"Active"},"DeadLetterConfig":{"TargetArn":"arn:aws:sqs:us-east-1:000000000000:q"},"LoggingConfig":{"LogFormat":"JSON"},"EphemeralStorage":{"Size":512},"SnapStart":{"ApplyOn":"PublishedVersions"},"KMSKeyArn":"arn:aws:kms:us-east-1:000000000000:key/k","Handler":"h","Runtime":"provided.al2"}`).object(t)
	want := map[string]any{
		"Timeout": 5., "MemorySize": 256., "Description": "d", "Role": "arn:aws:iam::000000000000:role/other", "Handler": "h", "Runtime": "provided.al2",
		"Environment": map[string]any{"Variables": map[string]any{"XY": "1"}}, "TracingConfig": map[string]any{"Mode": "Active"},
		"DeadLetterConfig": map[string]any{"TargetArn": "arn:aws:sqs:us-east-1:000000000000:q"}, "EphemeralStorage": map[string]any{"Size": 512.},
		"LoggingConfig": map[string]any{"LogFormat": "JSON", "ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO", "LogGroup": "/aws/lambda/f"},
		"KMSKeyArn":     "arn:aws:kms:us-east-1:000000000000:key/k", "SnapStart": map[string]any{"ApplyOn": "PublishedVersions", "OptimizationStatus": "Off"},
	}
	for key, value := range want {
		if fmt.Sprint(o[key]) != fmt.Sprint(value) {
			t.Errorf("%s is %v, want %v", key, o[key], value)
		}
	}
	f.settle()
	if o := f.expect(200, "PUT", base+"/f/configuration", `{"Environment":{"Variables":{}},"DeadLetterConfig":{"TargetArn":""}}`).object(t); o["Environment"] != nil || o["DeadLetterConfig"] != nil || o["Timeout"] != 5. {
		t.Errorf("clearing leaves %v", o)
	}
}

func TestGetFunction(t *testing.T) {
	f := start(t)
	f.expect(201, "POST", base, createBody("f", wasmA, `"Tags":{"a":"b"}`))
	f.settle()
	o := f.expect(200, "GET", base+"/f", "").object(t)
	if o["Tags"].(map[string]any)["a"] != "b" || o["Configuration"].(map[string]any)["State"] != "Active" {
		t.Errorf("GetFunction answers %v", o)
	}
	code := o["Code"].(map[string]any)
	location, err := url.Parse(code["Location"].(string))
	if err != nil || code["RepositoryType"] != "S3" || "http://"+location.Host != f.url {
		t.Fatalf("Code is %v", code)
	}
	got := f.expect(200, "GET", location.Path, "")
	if got.body != string(wasmA) || got.header.Get("Content-Type") != "application/wasm" {
		t.Errorf("the download is %q as %s", got.body, got.header.Get("Content-Type"))
	}
	f.refused(404, "ResourceNotFoundException", "no such code", "GET", "/lambent/code/..%2F..%2Fdb", "")
	f.refused(404, "ResourceNotFoundException", "", "GET", "/lambent/code/"+strings.Repeat("0", 64), "")
}

func TestWaysToNameAFunction(t *testing.T) {
	f := start(t)
	f.create("f")
	f.expect(201, "POST", base+"/f/versions", "")
	f.expect(201, "POST", base+"/f/aliases", `{"Name":"live","FunctionVersion":"1"}`)
	for path, want := range map[string]string{
		"f":                                         arnOfF,
		"f?Qualifier=$LATEST":                       arnOfF + ":$LATEST",
		"f?Qualifier=%24LATEST":                     arnOfF + ":$LATEST",
		"f?Qualifier=1":                             arnOfF + ":1",
		"f:1":                                       arnOfF + ":1",
		"f%3Alive":                                  arnOfF + ":live",
		"f:live?Qualifier=live":                     arnOfF + ":live",
		"000000000000:function:f":                   arnOfF,
		"000000000000%3Afunction%3Af%3A1":           arnOfF + ":1",
		url.PathEscape(arnOfF):                      arnOfF,
		strings.ReplaceAll(arnOfF, ":", "%3A"):      arnOfF,
		strings.ReplaceAll(arnOfF, ":", "%3a"):      arnOfF,
		arnOfF + ":1?Qualifier=1":                   arnOfF + ":1",
		strings.ReplaceAll(arnOfF+":1", ":", "%3A"): arnOfF + ":1",
	} {
		name, query, _ := strings.Cut(path, "?")
		got := f.expect(200, "GET", base+"/"+name+"/configuration?"+query, "").object(t)["FunctionArn"]
		if got != want {
			t.Errorf("%s: FunctionArn %v, want %s", path, got, want)
		}
		full := f.expect(200, "GET", base+"/"+name+"?"+query, "").object(t)["Configuration"].(map[string]any)
		if full["FunctionArn"] != want {
			t.Errorf("%s: GetFunction tells %v, want %s", path, full["FunctionArn"], want)
		}
	}
	const mismatch = "The derived qualifier from the function name does not match the specified qualifier."
	f.refused(400, "InvalidParameterValueException", mismatch, "GET", base+"/f:1?Qualifier=2", "")
	f.refused(404, "ResourceNotFoundException", "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')", "GET", base+"/arn:aws:lambda:eu-west-1:000000000000:function:f", "")
	f.refused(404, "ResourceNotFoundException", "Function not found: arn:aws:lambda:us-east-1:111111111111:function:f", "GET", base+"/111111111111:f", "")
	f.refused(404, "ResourceNotFoundException", "Function not found: "+arnOfF+":9", "GET", base+"/f?Qualifier=9", "")
	f.refused(404, "ResourceNotFoundException", "Function not found: arn:aws:lambda:us-east-1:000000000000:function:nope", "GET", base+"/nope", "")
	f.refused(400, "ValidationException", "at 'functionName'", "GET", base+"/a%2Fb", "")
	f.refused(400, "ValidationException", "at 'functionName'", "GET", base+"/%25", "")
	f.refused(400, "ValidationException", "Value '%66' at 'functionName'", "GET", base+"/%2566", "") // not unescaped twice, to "f"
	f.refused(400, "ValidationException", "at 'qualifier'", "GET", base+"/f?Qualifier=%3F", "")
	f.refused(400, "InvalidParameterValueException", "Aliases and versions do not support this operation", "PUT", base+"/f:1/code", updateBody(wasmB))
}

// What was refused leaves nothing behind.
func TestRefusedFunctionsAreNotMade(t *testing.T) {
	f := start(t)
	zip := func(s string) string { return createBody("f", []byte(s), "") }
	tests := []struct {
		status               int
		code, contains, body string
	}{
		{400, "SerializationException", "Could not parse request body into json", `{"FunctionName"`},
		{400, "SerializationException", "MemorySize cannot be read", createBody("f", wasmA, `"MemorySize":"big"`)},
		{400, "ValidationException", "3 validation errors detected", ``},
		{400, "ValidationException", "'127' at 'memorySize'", createBody("f", wasmA, `"MemorySize":127`)},
		{400, "InvalidParameterValueException", "Please provide a source for function code.", zip("")},
		{400, "InvalidParameterValueException", "", zip("not a zip")},
		{400, "InvalidParameterValueException", "Could not unzip uploaded file", zip("PK\x03\x04 broken")},
		{400, "InvalidParameterValueException", "4KB limit", createBody("f", wasmA, `"Environment":{"Variables":{"LARGE":"`+strings.Repeat("x", 5000)+`"}}`)},
		{400, "InvalidParameterValueException", "Reserved keys used in this request: AWS_REGION", createBody("f", wasmA, `"Environment":{"Variables":{"AWS_REGION":"x"}}`)},
		{400, "InvalidParameterValueException", "length less than or equal to 64", createBody(strings.Repeat("f", 65), wasmA, "")},
		{404, "ResourceNotFoundException", "not reachable in this region", createBody("arn:aws:lambda:eu-west-1:000000000000:function:f", wasmA, "")},
		{413, "RequestEntityTooLargeException", "Zipped size must be smaller than 52428800 bytes", createBody("f", make([]byte, 52428801), "")},
	}
	for _, tt := range tests {
		f.refused(tt.status, tt.code, tt.contains, "POST", base, tt.body)
	}
	if got := f.expect(200, "GET", base, "").body; got != `{"Functions":[]}` {
		t.Errorf("after refusals the list is %s", got)
	}
	f.create("f")
	f.refused(409, "ResourceConflictException", "Function already exist: f", "POST", base, createBody("f", wasmB, ""))
	f.refused(412, "PreconditionFailedException", "The Revision Id provided does not match the latest Revision Id.", "PUT", base+"/f/configuration", `{"RevisionId":"x","Timeout":9}`)
	f.refused(400, "ValidationException", "'0' at 'timeout'", "PUT", base+"/f/configuration", `{"Timeout":0,"MemorySize":512}`)
	if o := f.expect(200, "GET", base+"/f/configuration", "").object(t); o["MemorySize"] != 128. || o["CodeSize"] != float64(len(wasmA)) {
		t.Errorf("after refused updates the function is %v", o)
	}
}

func TestListFunctionsInPages(t *testing.T) {
	f := start(t)
	for i := range 5 {
		f.create(fmt.Sprintf("f%d", i))
	}
	f.expect(201, "POST", base+"/f1/versions", `{"Description":"one"}`)
	type page struct {
		NextMarker string
		Functions  []map[string]any
	}
	list := func(query string) (arns []string) {
		t.Helper()
		marker := ""
		for range 10 {
			var p page
			if err := json.Unmarshal([]byte(f.expect(200, "GET", base+"/?"+query+"&Marker="+url.QueryEscape(marker), "").body), &p); err != nil {
				t.Fatal(err)
			}
			for _, fn := range p.Functions {
				if fn["State"] != nil || fn["LastUpdateStatus"] != nil {
					t.Errorf("a list tells states: %v", fn)
				}
				arns = append(arns, strings.TrimPrefix(fn["FunctionArn"].(string), "arn:aws:lambda:us-east-1:000000000000:function:"))
			}
			if marker = p.NextMarker; marker == "" {
				return arns
			}
		}
		t.Fatal("no end of pages")
		return nil
	}
	if got := fmt.Sprint(list("MaxItems=2")); got != "[f0 f1 f2 f3 f4]" {
		t.Errorf("list in pages of 2: %s", got)
	}
	if got := fmt.Sprint(list("MaxItems=2&FunctionVersion=ALL")); got != "[f0:$LATEST f1:$LATEST f1:1 f2:$LATEST f3:$LATEST f4:$LATEST]" {
		t.Errorf("list of all versions: %s", got)
	}
	if got := fmt.Sprint(list("MaxItems=10000")); got != "[f0 f1 f2 f3 f4]" {
		t.Errorf("list at once: %s", got)
	}
	f.refused(400, "ValidationException", "'0' at 'maxItems' failed to satisfy constraint: Member must have value greater than or equal to 1", "GET", base+"?MaxItems=0", "")
	f.refused(400, "SerializationException", `MaxItems cannot be read: "x" is not an integer`, "GET", base+"?MaxItems=x", "")
	f.refused(400, "ValidationException", "Value 'invalid' at 'functionVersion' failed to satisfy constraint: Member must satisfy enum value set: [ALL]", "GET", base+"?FunctionVersion=invalid", "")
	f.refused(400, "InvalidParameterValueException", "Marker", "GET", base+"?Marker=nonsense", "")
}

func TestDeleteFunction(t *testing.T) {
	f := start(t)
	f.create("f")
	f.expect(201, "POST", base+"/f/versions", "")
	f.refused(400, "InvalidParameterValueException", "$LATEST version cannot be deleted", "DELETE", base+"/f?Qualifier=$LATEST", "")
	f.expect(204, "DELETE", base+"/f?Qualifier=1", "")
	f.refused(404, "ResourceNotFoundException", ":1", "DELETE", base+"/f?Qualifier=1", "")
	if r := f.expect(204, "DELETE", base+"/f", ""); r.body != "" {
		t.Errorf("body %q", r.body)
	}
	f.refused(404, "ResourceNotFoundException", "Function not found: "+arnOfF, "DELETE", base+"/f", "")
}
