package host_test

import (
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/lambent-host/lambent/extensions/extensionstest"
	"github.com/lambent-host/lambent/host"
)

// The trace of a caller, and his span.
const (
	callersTrace = "0af7651916cd43dd8448eb211c80319c"
	callersSpan  = "b7ad6b7169203331"
)

// invokeInTrace invokes as a caller that traces. It returns the answer's trace header.
func (f *fixture) invokeInTrace(t *testing.T, name, payload string, headers ...string) (traceID, answer string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		"http://"+f.Addr()+"/2015-03-31/functions/"+name+"/invocations", strings.NewReader(payload))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("traceparent", "00-"+callersTrace+"-"+callersSpan+"-01")
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.Header.Get("X-Amzn-Trace-Id"), string(body)
}

func parentOf(s received) string { return hex.EncodeToString(s.ParentSpanId) }
func idOf(s received) string     { return hex.EncodeToString(s.SpanId) }

func TestOneTraceAnInvocationJoinedToTheCallers(t *testing.T) {
	// How an environment came to be is in the trace, and both protocols carry it.
	for mode, c := range map[string]struct{ span, protocol string }{"api": {"init", "http/protobuf"}, "all": {"restore", "grpc"}} {
		t.Run(mode, func(t *testing.T) { oneTrace(t, mode, c.span, c.protocol) })
	}
}

func oneTrace(t *testing.T, mode, start_, protocol string) {
	spans, export := collect(t, protocol)
	f := start(t, export, func(c *host.Config) { c.SnapStart, c.ExtensionsDir = mode, extensionstest.Sample(t) })
	f.deploy(t, "hello", "hello", settings{})
	id, _ := f.invokeInTrace(t, "hello", `{"name":"x"}`)
	if want := "Root=1-0af76519-16cd43dd8448eb211c80319c"; !strings.HasPrefix(id, want) {
		t.Errorf("X-Amzn-Trace-Id %q, want it to begin %q", id, want)
	}
	f.stop(t) // sends what is buffered

	root := spans.span(t, callersTrace, "hello")
	if parentOf(root) != callersSpan || root.Kind != tracepb.Span_SPAN_KIND_SERVER {
		t.Errorf("the invocation's span is a %v below %s, want a server's below the caller's %s", root.Kind, parentOf(root), callersSpan)
	}
	for _, name := range []string{"resolve", "admit", start_, "invoke", "extension overhead"} {
		if s := spans.span(t, callersTrace, name); parentOf(s) != idOf(root) {
			t.Errorf("the parent of %q is %s, want the invocation's span %s", name, parentOf(s), idOf(root))
		}
	}
	invoke, overhead := spans.span(t, callersTrace, "invoke"), spans.span(t, callersTrace, "extension overhead")
	if !strings.Contains(id, "Parent="+idOf(invoke)) {
		t.Errorf("the guest was given %q, want the span %s of its invocation", id, idOf(invoke))
	}
	if overhead.StartTimeUnixNano < invoke.StartTimeUnixNano || overhead.StartTimeUnixNano > invoke.EndTimeUnixNano || overhead.EndTimeUnixNano < overhead.StartTimeUnixNano {
		t.Errorf("the overhead of extensions is from %d to %d, and the invocation from %d to %d", overhead.StartTimeUnixNano, overhead.EndTimeUnixNano, invoke.StartTimeUnixNano, invoke.EndTimeUnixNano)
	}
	attributes := attributesOf(root.Attributes)
	for key, want := range map[string]string{
		"faas.name": "hello", "faas.version": "$LATEST", "faas.trigger": "other", "faas.coldstart": "bool_value:true",
		"cloud.resource_id": "arn:aws:lambda:us-east-1:000000000000:function:hello:$LATEST",
	} {
		if attributes[key] != want {
			t.Errorf("%s is %q, want %q", key, attributes[key], want)
		}
	}
	if attributes["faas.invocation_id"] == "" || !strings.Contains(attributes["faas.instance"], "/[$LATEST]") {
		t.Errorf("attributes %v lack the invocation's id or the instance as Lambda names it", attributes)
	}
	if root.resource["service.name"] != "lambent" || root.resource["cloud.region"] != "us-east-1" {
		t.Errorf("resource %v", root.resource)
	}
}

func TestFailuresAreOfTheSpans(t *testing.T) {
	spans, export := collect(t, "http/protobuf")
	f := start(t, export)
	f.deploy(t, "hello", "hello", settings{timeout: 1})
	f.invokeInTrace(t, "hello", `{"name":"x","fail":true}`)
	f.invokeInTrace(t, "hello", `{"spinMs":60000}`)
	f.stop(t)

	var types []string
	spans.mu.Lock()
	defer spans.mu.Unlock()
	for _, s := range spans.spans {
		if s.Name != "invoke" {
			continue
		}
		if s.Status.GetCode() != tracepb.Status_STATUS_CODE_ERROR || len(s.Events) != 1 || s.Events[0].Name != "exception" {
			t.Errorf("a span of a failure has status %v and events %v", s.Status, s.Events)
			continue
		}
		types = append(types, attributesOf(s.Events[0].Attributes)["exception.type"]+": "+s.Status.Message)
		if attributesOf(s.Attributes)["error.type"] != attributesOf(s.Events[0].Attributes)["exception.type"] {
			t.Errorf("error.type is %q", attributesOf(s.Attributes)["error.type"])
		}
	}
	if len(types) != 2 || types[0] != `greetingError: nobody greets "x"` || !strings.HasPrefix(types[1], "Sandbox.Timedout: ") || !strings.Contains(types[1], "timed out after 1.00 seconds") {
		t.Errorf("failures %q", types)
	}
	if got := spans.metrics; got == nil {
		t.Error("no metrics")
	}
}

func TestAnInitThatFailsAndIsRepeatedIsInTheTraceTwice(t *testing.T) {
	spans, export := collect(t, "http/protobuf")
	f := start(t, export)
	f.deploy(t, "exit", "exit", settings{env: map[string]string{"EXIT_AT": "init"}})
	f.invokeInTrace(t, "exit", `{}`)
	f.stop(t)
	root, invoke := spans.span(t, callersTrace, "exit"), spans.span(t, callersTrace, "invoke")
	parents := map[string]tracepb.Status_StatusCode{}
	for _, s := range spans.spans {
		if s.Name == "init" {
			parents[parentOf(s)] = s.Status.GetCode()
		}
	}
	if len(parents) != 2 || parents[idOf(root)] != tracepb.Status_STATUS_CODE_ERROR {
		t.Errorf("inits below %v, want one that failed below %s and its repetition below %s", parents, idOf(root), idOf(invoke))
	}
	if _, ok := parents[idOf(invoke)]; !ok {
		t.Errorf("no init in the invocation %s: %v", idOf(invoke), parents)
	}
	if n := spans.counted(t, "faas.errors", "exit"); n != 1 {
		t.Errorf("%d errors", n)
	}
}

func TestATraceGoesOnThroughTheQueue(t *testing.T) {
	spans, export := collect(t, "http/protobuf")
	f := start(t, export)
	f.deploy(t, "hello", "hello", settings{})
	// Of two contexts that came with a request, the first is the caller's.
	id, _ := f.invokeInTrace(t, "hello", `{"name":"later"}`, "X-Amz-Invocation-Type", "Event",
		"X-Amzn-Trace-Id", "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1")
	enqueue := spans.span(t, callersTrace, "enqueue hello")
	if parentOf(enqueue) != callersSpan || enqueue.Kind != tracepb.Span_SPAN_KIND_PRODUCER || !strings.Contains(id, "Parent="+idOf(enqueue)) {
		t.Errorf("the span that stored the event is a %v below %s, and the answer says %q", enqueue.Kind, parentOf(enqueue), id)
	}
	run := spans.span(t, callersTrace, "hello")
	if parentOf(run) != idOf(enqueue) || run.Kind != tracepb.Span_SPAN_KIND_CONSUMER || attributesOf(run.Attributes)["faas.trigger"] != "pubsub" {
		t.Errorf("the event ran in a span of kind %v below %s, with trigger %q", run.Kind, parentOf(run), attributesOf(run.Attributes)["faas.trigger"])
	}
	if attributesOf(run.Attributes)["faas.invocation_id"] != attributesOf(enqueue.Attributes)["faas.invocation_id"] {
		t.Error("the event ran under another id than it was accepted with")
	}
}

func TestAGuestContinuesTheTrace(t *testing.T) {
	spans, export := collect(t, "http/protobuf")
	f := start(t, export)
	f.deploy(t, "traced", "traced", settings{memory: 256})
	if _, answer := f.invokeInTrace(t, "traced", `{"items":3}`); answer != `"3 items"` {
		t.Fatalf("the function answered %s", answer)
	}
	own := spans.span(t, callersTrace, "price the order")
	invoke := spans.span(t, callersTrace, "invoke")
	if parentOf(own) != idOf(invoke) {
		t.Errorf("the function's span is below %s, want the span %s that it was given", parentOf(own), idOf(invoke))
	}
	if attributesOf(own.Attributes)["order.items"] != "int_value:3" || own.resource["service.name"] != "traced" || own.resource["faas.name"] != "traced" {
		t.Errorf("attributes %v of resource %v", own.Attributes, own.resource)
	}
	f.stop(t)
	for _, r := range spans.logs {
		if strings.Contains(r.Body.GetStringValue(), "resourceSpans") {
			t.Errorf("the line with the span is a log record as well: %v", r)
		}
	}
}

// crashing is an extension that ends, after its first event, when a file is there.
const crashing = `#!/bin/sh
api=http://$AWS_LAMBDA_RUNTIME_API/2020-01-01/extension
id=$(curl -s -D - -o /dev/null -H "Lambda-Extension-Name: crashing" -d '{"events":["INVOKE"]}' $api/register | tr -d '\r' | sed -n 's/^[Ll]ambda-[Ee]xtension-[Ii]dentifier: //p')
curl -s -H "Lambda-Extension-Identifier: $id" $api/event/next
while [ ! -e "$GATE" ]; do sleep 0.02; done
exit 3
`

func TestAnExtensionThatFailsLateIsInTheTraceOfTheAnswer(t *testing.T) {
	dir, gate := t.TempDir(), filepath.Join(t.TempDir(), "gate")
	if err := os.WriteFile(filepath.Join(dir, "crashing"), []byte(crashing), 0o700); err != nil {
		t.Fatal(err)
	}
	spans, export := collect(t, "http/protobuf")
	f := start(t, export, func(c *host.Config) { c.ExtensionsDir, c.ExtensionIsolation = dir, "none" })
	f.deploy(t, "hello", "hello", settings{timeout: 30, env: map[string]string{"GATE": gate}})
	if _, answer := f.invokeInTrace(t, "hello", `{"name":"Ada"}`); !strings.Contains(answer, "Hello, Ada!") {
		t.Fatalf("the function answered %s", answer)
	}
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	overhead := spans.span(t, callersTrace, "extension overhead")
	if overhead.Status.GetCode() != tracepb.Status_STATUS_CODE_ERROR || !strings.HasPrefix(attributesOf(overhead.Attributes)["error.type"], "Extension.") {
		t.Errorf("the overhead of an extension that crashed has status %v, attributes %v", overhead.Status, overhead.Attributes)
	}
	if s := spans.span(t, callersTrace, "invoke"); s.Status.GetCode() == tracepb.Status_STATUS_CODE_ERROR {
		t.Errorf("the function did its job, and has status %v", s.Status)
	}
	f.stop(t)
	if n := spans.counted(t, "faas.errors", "hello"); n != 1 {
		t.Errorf("%d errors", n)
	}
}
