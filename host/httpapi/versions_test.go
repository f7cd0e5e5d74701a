package httpapi

import (
	"fmt"
	"strings"
	"testing"
)

func TestVersionsAndAliases(t *testing.T) {
	f := start(t)
	f.create("f")
	v1 := f.expect(201, "POST", base+"/f/versions", `{"Description":"first"}`).object(t)
	if v1["FunctionArn"] != arnOfF+":1" || v1["Version"] != "1" || v1["Description"] != "first" {
		t.Errorf("PublishVersion answers %v", v1)
	}
	f.expect(200, "PUT", base+"/f/code", updateBody(wasmB))
	f.settle()
	f.refused(400, "InvalidParameterValueException", "is different from current CodeSHA256 in $LATEST", "POST", base+"/f/versions", `{"CodeSha256":"somenonexistentsha256"}`)
	f.expect(201, "POST", base+"/f/versions", "")
	f.settle()
	list := f.expect(200, "GET", base+"/f/versions?MaxItems=10000", "").body
	if n := strings.Count(list, `"FunctionArn":"`+arnOfF+":"); n != 3 || strings.Contains(list, `"State"`) {
		t.Errorf("ListVersionsByFunction: %s", list)
	}

	made := f.expect(201, "POST", base+"/f/aliases", `{"Name": "live", "FunctionVersion": "1"}`).object(t)
	if made["AliasArn"] != arnOfF+":live" || made["Name"] != "live" || made["FunctionVersion"] != "1" || made["Description"] != "" || made["RevisionId"] == "" {
		t.Errorf("CreateAlias answers %v", made)
	}
	f.refused(409, "ResourceConflictException", "Alias already exists: "+arnOfF+":live", "POST", base+"/f/aliases", `{"Name":"live","FunctionVersion":"1"}`)
	f.refused(400, "ValidationException", "'2024' at 'name'", "POST", base+"/f/aliases", `{"Name":"2024","FunctionVersion":"1"}`)
	updated := f.expect(200, "PUT", base+"/f/aliases/live", `{"FunctionVersion":"2","RoutingConfig":{"AdditionalVersionWeights":{"1":0.25}},"Description":"d"}`)
	if !strings.Contains(updated.body, `"RoutingConfig":{"AdditionalVersionWeights":{"1":0.25}}`) {
		t.Errorf("UpdateAlias answers %s", updated.body)
	}
	f.refused(412, "PreconditionFailedException", "Revision Id", "PUT", base+"/f/aliases/live", `{"RevisionId":"x"}`)
	f.refused(400, "InvalidParameterValueException", "Function version 2 is already included", "PUT", base+"/f/aliases/live", `{"RoutingConfig":{"AdditionalVersionWeights":{"2":0.5}}}`)
	if got := f.expect(200, "PUT", base+"/f/aliases/live", `{"RoutingConfig":{}}`).body; strings.Contains(got, "RoutingConfig") || !strings.Contains(got, `"Description":"d"`) {
		t.Errorf("clearing the weights answers %s", got)
	}
	f.expect(201, "POST", base+"/f/aliases", `{"Name":"old","FunctionVersion":"1"}`)
	if got := f.expect(200, "GET", base+"/f/aliases?FunctionVersion=1", "").body; strings.Count(got, "AliasArn") != 1 || !strings.Contains(got, ":old") {
		t.Errorf("ListAliases of version 1: %s", got)
	}
	f.refused(400, "ValidationException", "functionVersion", "GET", base+"/f/aliases?FunctionVersion=live", "")
	if got := f.expect(200, "GET", base+"/f/aliases/live", "").object(t); got["FunctionVersion"] != "2" {
		t.Errorf("GetAlias answers %v", got)
	}
	f.refused(404, "ResourceNotFoundException", "Cannot find alias arn: "+arnOfF+":nope", "GET", base+"/f/aliases/nope", "")
	f.refused(409, "ResourceConflictException", "live", "DELETE", base+"/f?Qualifier=2", "")
	f.expect(204, "DELETE", base+"/f/aliases/live", "")
	f.expect(204, "DELETE", base+"/f/aliases/live", "")
}

func TestTags(t *testing.T) {
	f := start(t)
	f.create("f")
	tags := "/2017-03-31/tags/" + strings.ReplaceAll(arnOfF, ":", "%3A")
	if r := f.expect(204, "POST", tags, `{"Tags":{"a":"1","b":"2","c":"3"}}`); r.body != "" {
		t.Errorf("body %q", r.body)
	}
	f.expect(204, "DELETE", tags+"?tagKeys=a&tagKeys=b", "")
	if got := f.expect(200, "GET", tags, "").body; got != `{"Tags":{"c":"3"}}` {
		t.Errorf("ListTags answers %s", got)
	}
	f.refused(400, "ValidationException", "Value null at 'tagKeys' failed to satisfy constraint: Member must not be null", "DELETE", tags, "")
	f.refused(400, "ValidationException", "Value null at 'tags'", "POST", tags, "{}")
	f.refused(400, "InvalidParameterValueException", "Tags on function aliases and versions are not supported", "GET", tags+"%3A1", "")
	f.refused(400, "ValidationException", "at 'resource'", "GET", "/2017-03-31/tags/f", "")
	f.refused(404, "ResourceNotFoundException", "Function not found: "+arnOfF+"x", "GET", tags+"x", "")
}

func TestAnswersWithNothingBehind(t *testing.T) {
	f := start(t)
	f.create("f")
	const want = `{"AccountLimit":{"TotalCodeSize":80530636800,"CodeSizeUnzipped":262144000,"CodeSizeZipped":52428800,"ConcurrentExecutions":77,"UnreservedConcurrentExecutions":77},"AccountUsage":{"TotalCodeSize":8,"FunctionCount":1}}`
	if got := f.expect(200, "GET", "/2016-08-19/account-settings/", "").body; got != want {
		t.Errorf("GetAccountSettings answers %s", got)
	}
	if got := f.expect(200, "GET", "/2020-06-30/functions/f/code-signing-config", "").body; got != `{"CodeSigningConfigArn":"","FunctionName":"f"}` {
		t.Errorf("GetFunctionCodeSigningConfig answers %s", got)
	}
	if got := f.expect(200, "GET", "/2019-09-30/functions/f/concurrency", "").body; got != `{}` {
		t.Errorf("GetFunctionConcurrency answers %s", got)
	}
	f.refused(404, "ResourceNotFoundException", "The resource you requested does not exist.", "GET", base+"/f/policy", "")
	for _, path := range []string{"/2020-06-30/functions/g/code-signing-config", "/2019-09-30/functions/g/concurrency", base + "/g/policy", base + "/g/versions", base + "/g/aliases"} {
		f.refused(404, "ResourceNotFoundException", "Function not found", "GET", path, "")
	}
}

// A version with SnapStart as clients see it: Pending and off, then Active and on.
func TestSnapStartOfAVersion(t *testing.T) {
	f := start(t)
	f.create("f")
	f.expect(200, "PUT", base+"/f/configuration", `{"SnapStart":{"ApplyOn":"PublishedVersions"}}`)
	f.settle()
	snapStart := func(o map[string]any) string {
		return fmt.Sprint(o["State"], " ", o["SnapStart"])
	}
	const off, on = "map[ApplyOn:PublishedVersions OptimizationStatus:Off]", "map[ApplyOn:PublishedVersions OptimizationStatus:On]"
	made := f.expect(201, "POST", base+"/f/versions", "").object(t)
	if got := snapStart(made); got != "Pending "+off || made["StateReasonCode"] != "Creating" {
		t.Errorf("PublishVersion answers %v", made)
	}
	_, f.sync.err = f.cat.Resolve("f", "1", 0)
	f.refused(409, "SnapStartNotReadyException", "Lambda is initializing your function.", "POST", base+"/f/invocations?Qualifier=1", "{}")
	f.refused(409, "SnapStartNotReadyException", "Lambda is initializing your function.", "POST", base+"/f/invocations?Qualifier=1", "{}", "X-Amz-Invocation-Type: Event")
	v, err := f.cat.Get("f", "1")
	if err != nil {
		t.Fatal(err)
	}
	v.Snapshot.Ready = true
	if err := f.cat.Settle(t.Context(), v, nil); err != nil {
		t.Fatal(err)
	}
	if got := snapStart(f.expect(200, "GET", base+"/f/configuration?Qualifier=1", "").object(t)); got != "Active "+on {
		t.Errorf("the settled version is %s", got)
	}
	if got := snapStart(f.expect(200, "GET", base+"/f/configuration", "").object(t)); got != "Active "+off {
		t.Errorf("$LATEST is %s", got)
	}
	f.refused(400, "InvalidParameterValueException", "EphemeralStorage of more than 512 MB", "PUT", base+"/f/configuration", `{"EphemeralStorage":{"Size":600}}`)
	f.refused(400, "InvalidParameterValueException", "Environment.Variables.LAMBENT_ISOLATION", "PUT", base+"/f/configuration", `{"Environment":{"Variables":{"LAMBENT_ISOLATION":"x"}}}`)
}
