package httpapi

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lambent-host/lambent/host/admission"
	"github.com/lambent-host/lambent/host/invoke"
)

const invokeF = base + "/f/invocations"

func TestInvokeSync(t *testing.T) {
	f := start(t)
	f.create("f")
	f.sync.outcome = &invoke.Outcome{
		Payload: []byte(`"hello"`), ExecutedVersion: "3", LogTail: []byte("START\n"), TraceID: "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1",
	}
	r := f.expect(200, "POST", invokeF+"?Qualifier=live", `{"a":1}`,
		"X-Amz-Log-Type: Tail", "X-Amz-Client-Context: eyJjdXN0b20iOnsiYSI6ImIifX0=", "X-Amzn-Trace-Id: Root=1-5759e988-bd862e3fe1be46a994272793")
	want := map[string]string{
		"Content-Type": "application/json", "X-Amz-Executed-Version": "3", "X-Amz-Log-Result": "U1RBUlQK",
		"X-Amzn-Trace-Id": "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1", "X-Amz-Function-Error": "",
	}
	for key, value := range want {
		if got := r.header.Get(key); got != value {
			t.Errorf("%s: %q, want %q", key, got, value)
		}
	}
	got := f.sync.last(t)
	if r.body != `"hello"` || got.RequestID != r.header.Get("x-amzn-RequestId") {
		t.Errorf("body %s, request id %s", r.body, got.RequestID)
	}
	asked := invoke.Request{
		RequestID: got.RequestID, FunctionName: "f", Qualifier: "live", ClientContext: `{"custom":{"a":"b"}}`,
		TraceID: "Root=1-5759e988-bd862e3fe1be46a994272793", Tail: true,
	}
	payload := string(got.Payload)
	got.Payload = nil
	if payload != `{"a":1}` || !equalRequests(*got, asked) {
		t.Errorf("asked %+v with %s, want %+v", *got, payload, asked)
	}
}

func equalRequests(a, b invoke.Request) bool {
	return a.RequestID == b.RequestID && a.FunctionName == b.FunctionName && a.Qualifier == b.Qualifier &&
		a.ClientContext == b.ClientContext && a.TraceID == b.TraceID && a.Tail == b.Tail && a.Async == b.Async && string(a.Payload) == string(b.Payload)
}

func TestFunctionErrorIs200(t *testing.T) {
	f := start(t)
	f.sync.outcome = &invoke.Outcome{Payload: []byte(`{"errorMessage":"x"}`), FunctionError: "Unhandled", ExecutedVersion: "$LATEST", ContentType: "application/vnd.x"}
	r := f.expect(200, "POST", invokeF, "{}")
	if r.header.Get("X-Amz-Function-Error") != "Unhandled" || r.header.Get("Content-Type") != "application/vnd.x" || r.header.Get("X-Amz-Log-Result") != "" {
		t.Errorf("%v", r.header)
	}
}

// Clients send the same payload with different content types, or none at all.
func TestPayloads(t *testing.T) {
	f := start(t)
	for _, kind := range []string{"application/json", "application/octet-stream", "binary/octet-stream", ""} {
		f.expect(200, "POST", invokeF, `[1]`, "Content-Type: "+kind)
		if got := string(f.sync.last(t).Payload); got != `[1]` {
			t.Errorf("%q: payload %s", kind, got)
		}
	}
	f.expect(200, "POST", invokeF, "")
	if got := string(f.sync.last(t).Payload); got != "{}" {
		t.Errorf("no payload arrives as %q", got)
	}
	before := f.sync.count() + f.async.count()
	f.create("f")
	for _, kind := range []string{"RequestResponse", "Event"} {
		f.refused(400, "InvalidRequestContentException", "Could not parse request body into json: Could not parse payload into json: ", "POST", invokeF, "{broken", "X-Amz-Invocation-Type: "+kind)
		f.refused(400, "InvalidRequestContentException", "Invalid UTF-8 start byte 0xff", "POST", invokeF, "\"\xff\"", "X-Amz-Invocation-Type: "+kind)
	}
	if after := f.sync.count() + f.async.count(); after != before {
		t.Errorf("%d bad payloads went through", after-before)
	}
}

func TestPayloadLimits(t *testing.T) {
	f := start(t)
	f.create("f")
	jsonOf := func(n int) string { return `"` + strings.Repeat("x", n-2) + `"` }
	f.expect(200, "POST", invokeF, jsonOf(6291456))
	f.refused(413, "RequestTooLargeException", "6291457 byte payload is too large for the RequestResponse invocation type (limit 6291456 bytes)", "POST", invokeF, jsonOf(6291457))
	f.expect(202, "POST", invokeF, jsonOf(1048576), "X-Amz-Invocation-Type: Event")
	f.refused(413, "RequestTooLargeException", "limit 1048576 bytes", "POST", invokeF, jsonOf(1048577), "X-Amz-Invocation-Type: Event")
	if f.sync.count() != 1 || f.async.count() != 1 {
		t.Errorf("%d and %d requests went through, want one each", f.sync.count(), f.async.count())
	}
}

func TestInvokeEvent(t *testing.T) {
	f := start(t)
	f.create("f")
	r := f.expect(202, "POST", invokeF, `{"a":1}`, "X-Amz-Invocation-Type: Event", "X-Amz-Log-Type: Tail",
		"X-Amz-Client-Context: eyJhIjoxfQ==", "traceparent: 00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01")
	if r.body != "" || r.header.Get("X-Amz-Executed-Version") != "" || r.header.Get("Content-Type") != "" {
		t.Errorf("answer %q with %v", r.body, r.header)
	}
	got := f.async.last(t)
	want := invoke.Request{
		RequestID: r.header.Get("x-amzn-RequestId"), FunctionName: "f", Payload: []byte(`{"a":1}`), Async: true,
		TraceID: "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
	}
	if !equalRequests(*got, want) {
		t.Errorf("queued %+v, want %+v", *got, want)
	}
	f.refused(404, "ResourceNotFoundException", "Function not found: arn:aws:lambda:us-east-1:000000000000:function:g:$LATEST", "POST", base+"/g/invocations", "{}", "X-Amz-Invocation-Type: Event")
	f.refused(404, "ResourceNotFoundException", ":nope", "POST", invokeF+"?Qualifier=nope", "{}", "X-Amz-Invocation-Type: Event")
	f.async.err = errors.New("disk full at /secret")
	f.refused(500, "ServiceException", "cannot be processed", "POST", invokeF, "{}", "X-Amz-Invocation-Type: Event")
}

func TestInvokeDryRun(t *testing.T) {
	f := start(t)
	f.create("f")
	f.expect(204, "POST", invokeF, "", "X-Amz-Invocation-Type: DryRun")
	f.refused(404, "ResourceNotFoundException", "function:g:$LATEST", "POST", base+"/g/invocations", "", "X-Amz-Invocation-Type: DryRun")
	if n := f.sync.count() + f.async.count(); n != 0 {
		t.Errorf("a dry run ran %d times", n)
	}
}

func TestInvokeAsync(t *testing.T) {
	f := start(t)
	f.create("f")
	if got := f.expect(202, "POST", "/2014-11-13/functions/f/invoke-async/", `{"a":1}`).body; got != `{"Status":202}` {
		t.Errorf("InvokeAsync answers %s", got)
	}
	if got := f.async.last(t); string(got.Payload) != `{"a":1}` || !got.Async {
		t.Errorf("queued %+v", got)
	}
}

func TestBadInvokeHeaders(t *testing.T) {
	f := start(t)
	f.create("f")
	const context = "InvalidRequestContentException"
	f.refused(400, "ValidationException", "1 validation error detected: Value 'Sync' at 'invocationType' failed to satisfy constraint: Member must satisfy enum value set: [Event, RequestResponse, DryRun]", "POST", invokeF, "{}", "X-Amz-Invocation-Type: Sync")
	f.refused(400, "ValidationException", "2 validation errors detected", "POST", invokeF, "{}", "X-Amz-Invocation-Type: x", "X-Amz-Log-Type: y")
	f.refused(400, context, "valid Base64-encoded JSON object", "POST", invokeF, "{}", "X-Amz-Client-Context: ***")
	f.refused(400, context, "valid Base64-encoded JSON object", "POST", invokeF, "{}", "X-Amz-Client-Context: WzFd") // [1]
	f.refused(400, context, "valid Base64-encoded JSON object", "POST", invokeF, "{}", "X-Amz-Client-Context: bnVsbA==")
	long := base64.StdEncoding.EncodeToString([]byte(`{"a":"` + strings.Repeat("x", 2700) + `"}`))
	f.refused(400, context, "at most 3583 bytes", "POST", invokeF, "{}", "X-Amz-Client-Context: "+long)
	if f.sync.count() != 0 {
		t.Error("a bad request ran")
	}
}

func TestThrottle(t *testing.T) {
	f := start(t)
	f.sync.err = &admission.ThrottledError{Reason: admission.ReasonAccount, RetryAfter: 1200 * time.Millisecond}
	r := f.refused(http.StatusTooManyRequests, "TooManyRequestsException", "Rate Exceeded.", "POST", invokeF, "{}")
	if r.body != `{"Reason":"ConcurrentInvocationLimitExceeded","Type":"User","message":"Rate Exceeded."}` || r.header.Get("Retry-After") != "2" {
		t.Errorf("%s, Retry-After %q", r.body, r.header.Get("Retry-After"))
	}
}
