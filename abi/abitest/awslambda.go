package abitest

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// AWSLambda holds a build of testdata/awslambda, which is an ordinary
// aws-lambda-go program, to what such a program sees in AWS Lambda.
func AWSLambda(t *testing.T, runner Runner, module []byte) {
	t.Run("answers", func(t *testing.T) {
		s := begin(t, runner, module)
		s.answers(`{"do":"echo","value":{"a":[1,"<&>",null]}}`, `{"a":[1,"<&>",null]}`)
		s.answers(`{"do":"nothing"}`, `null`)
		s.answers(`{"do":"reader"}`, "not JSON at all")
		s.answers(`{"do":"big"}`, `"`+strings.Repeat("b", 1<<20)+`"`)
	})
	t.Run("warm", func(t *testing.T) {
		s := begin(t, runner, module)
		for _, want := range []string{"1", "2", "3"} {
			s.answers(`{"do":"count"}`, want)
		}
		// A goroutine that an invocation left behind goes on during the next.
		s.answers(`{"do":"background"}`, `null`)
		s.answers(`{"do":"collect"}`, `"done"`)
	})
	t.Run("context", func(t *testing.T) { awsContext(t, runner, module) })
	t.Run("deadline", func(t *testing.T) {
		s := begin(t, runner, module)
		inv := invocation(`{"do":"wait"}`)
		inv.Deadline = time.Now().Add(100 * time.Millisecond)
		out := s.inst.Invoke(s.ctx, inv)
		if !strings.Contains(string(out.Document), "context deadline exceeded") {
			t.Errorf("payload %s, document %s, fault %v", out.Payload, out.Document, out.Fault)
		}
		if early := time.Until(inv.Deadline.Truncate(time.Millisecond)); early > 0 {
			t.Errorf("the handler's context ended %v before the deadline", early)
		}
	})
	t.Run("errors", func(t *testing.T) {
		s := begin(t, runner, module)
		s.fails(`{"do":"error"}`, "errorString", "a plain error")
		s.fails(`{"do":"pointer"}`, "customError", "custom: 7")
		s.fails(`{"do":"value"}`, "valueError", "a value")
		s.fails(`{"do":"named"}`, "Named.Type", "named by the handler")
		s.fails(`{"do":"broken reader"}`, "errorString", "the reader broke")
		s.fails(`{"do":5}`, "UnmarshalTypeError", "cannot unmarshal")
		s.answers(`{"do":"count"}`, "1") // none of these ended the program
		inv := invocation(`{"do":"count"}`)
		inv.ClientContext = "{ not JSON"
		if out := s.inst.Invoke(s.ctx, inv); !strings.Contains(string(out.Document), "client context") {
			t.Errorf("bad client context: payload %s, document %s", out.Payload, out.Document)
		}
	})
	t.Run("panics", func(t *testing.T) { awsPanics(t, runner, module) })
	t.Run("exits", func(t *testing.T) {
		s := begin(t, runner, module)
		if out := s.invoke(`{"do":"exit"}`); !out.Exited || out.ExitCode != 7 || out.Document != nil {
			t.Errorf("os.Exit(7) ended as %+v", out)
		}
		for _, when := range []string{"return", "exit", "panic"} {
			s := prepare(t, runner, module, "AT_START="+when)
			if err := s.inst.Init(s.ctx); err == nil {
				t.Errorf("main ended by %s before the first event, and init succeeded", when)
			}
		}
	})
}

// awsContext checks what a handler can know about its invocation.
func awsContext(t *testing.T, runner Runner, module []byte) {
	s := begin(t, runner, module, "AWS_LAMBDA_FUNCTION_NAME=fn", "AWS_LAMBDA_FUNCTION_VERSION=$LATEST", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256")
	inv := invocation(`{"do":"context"}`)
	inv.TraceID = "Root=1-2-3;Sampled=1"
	inv.ClientContext = `{"client":{"installation_id":"here","app_title":"app"},"env":{"e":"1"},"custom":{"c":"2"}}`
	inv.CognitoIdentity = `{"cognitoIdentityId":"who","cognitoIdentityPoolId":"pool"}`
	var got struct {
		RequestID, ARN, Identity, Pool, Installation, Custom, Trace, TraceVariable, Name, Version string
		Memory                                                                                    int
		Deadline                                                                                  int64
	}
	answer := s.succeeds(inv)
	if err := json.Unmarshal([]byte(answer), &got); err != nil {
		t.Fatalf("%s: %v", answer, err)
	}
	want := got
	want.RequestID, want.ARN, want.Identity, want.Pool = inv.RequestID, inv.FunctionARN, "who", "pool"
	want.Installation, want.Custom, want.Trace, want.TraceVariable = "here", "2", inv.TraceID, inv.TraceID
	want.Name, want.Version, want.Memory, want.Deadline = "fn", "$LATEST", 256, inv.Deadline.UnixMilli()
	if got != want {
		t.Errorf("the handler saw\n%+v, want\n%+v", got, want)
	}
	next := s.succeeds(invocation(`{"do":"context"}`))
	if strings.Contains(next, "1-2-3") || strings.Contains(next, "who") {
		t.Errorf("the next invocation sees the last one's context: %s", next)
	}
}

// awsPanics checks that a panic is reported with its stack and ends the program.
func awsPanics(t *testing.T, runner Runner, module []byte) {
	for event, want := range map[string]struct{ errorType, text string }{
		`{"do":"panic"}`:       {"string", "a panic"},
		`{"do":"panic error"}`: {"customError", "custom: 8"},
		`{"do":"nil"}`:         {"errorString", "nil pointer dereference"},
	} {
		s := begin(t, runner, module)
		doc, out := s.fails(event, want.errorType, want.text)
		if !out.Exited || out.ExitCode != 1 {
			t.Errorf("%s: exited %v with %d, want exit code 1", event, out.Exited, out.ExitCode)
		}
		found := false
		for _, f := range doc.StackTrace {
			found = found || f.Label == "handle" && f.Line > 0 && strings.HasSuffix(f.Path, "main.go")
		}
		if !found {
			t.Errorf("%s: the stack does not name the handler: %+v", event, doc.StackTrace)
		}
		if !strings.Contains(s.log.String(), want.text) {
			t.Errorf("%s: the log does not tell of it: %s", event, s.log)
		}
	}
}
