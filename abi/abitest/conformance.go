package abitest

import (
	"strconv"
	"strings"
	"testing"

	"github.com/lambent-host/lambent/abi"
)

// Conformance holds a guest of the test protocol, and the host that runs it, to
// the ABI.
func Conformance(t *testing.T, runner Runner, module []byte) {
	t.Run("echo", func(t *testing.T) {
		s := begin(t, runner, module)
		for _, text := range []string{"", "x", "zwölf Boxkämpfer ☃", strings.Repeat("0123456789abcdef", 4096), strings.Repeat("m", 6<<20)} {
			s.answers("echo "+text, text)
		}
	})
	t.Run("context", func(t *testing.T) { conformContext(t, runner, module) })
	t.Run("state", func(t *testing.T) {
		s := begin(t, runner, module)
		for n := 1; n <= 3; n++ {
			s.answers("count", strconv.Itoa(n))
		}
		s.fails("fail Oops not this time", "Oops", "not this time")
		s.answers("count", "5") // a function error does not end the instance
		begin(t, runner, module).answers("count", "1")
	})
	t.Run("errors", func(t *testing.T) {
		s := begin(t, runner, module)
		s.fails(`fail Custom.Type it said "no" \ and ☃`, "Custom.Type", `it said "no" \ and ☃`)
		if s.log.Len() > 0 {
			t.Errorf("a reported failure left %q in the log", s.log)
		}
		if out := s.invoke("no such command"); out.Document == nil && out.Fault == nil {
			t.Errorf("an unknown command was answered with %q", out.Payload)
		}
	})
	t.Run("environment", func(t *testing.T) {
		s := begin(t, runner, module, "COLOUR=teal", "EMPTY=", "EQUALS=a=b")
		s.answers("env COLOUR", "teal")
		s.answers("env EMPTY", "")
		s.answers("env EQUALS", "a=b")
		s.answers("env ABSENT", "")
	})
	t.Run("log", func(t *testing.T) {
		s := begin(t, runner, module)
		s.answers("log first line", "")
		if !strings.Contains(s.log.String(), "first line\n") {
			t.Errorf("standard error holds %q", s.log)
		}
	})
	t.Run("response limit", func(t *testing.T) {
		s := begin(t, runner, module)
		if got := s.succeeds(invocation("big " + strconv.Itoa(abi.MaxResponseBytes))); len(got) != abi.MaxResponseBytes {
			t.Errorf("%d bytes of response, want %d", len(got), abi.MaxResponseBytes)
		}
		if out := s.invoke("big " + strconv.Itoa(abi.MaxResponseBytes+1)); out.Document == nil && out.Fault == nil {
			t.Error("a response of one byte more than the limit was accepted")
		}
	})
	t.Run("init fails", func(t *testing.T) {
		s := prepare(t, runner, module, "FAIL_INIT=1")
		if err := s.inst.Init(s.ctx); err == nil {
			t.Error("init succeeded")
		}
	})
}

// conformContext checks each field, short, long and absent.
func conformContext(t *testing.T, runner Runner, module []byte) {
	s := begin(t, runner, module)
	inv := invocation("context")
	inv.TraceID = "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1"
	// Longer than any first guess at its length.
	inv.ClientContext = `{"custom":{"long":"` + strings.Repeat("c", 4000) + `"}}`
	inv.CognitoIdentity = `{"cognitoIdentityId":"i","cognitoIdentityPoolId":"p"}`
	fields := []string{inv.RequestID, inv.FunctionARN, inv.TraceID, inv.ClientContext, inv.CognitoIdentity}
	if got, want := s.succeeds(inv), strings.Join(fields, "\n")+"\n"; got != want {
		t.Errorf("context is\n%s\nwant\n%s", got, want)
	}
	bare := invocation("context")
	if got, want := s.succeeds(bare), bare.RequestID+"\n"+bare.FunctionARN+"\n\n\n\n"; got != want {
		t.Errorf("context without trace, client and identity is %q, want %q", got, want)
	}
	inv = invocation("deadline")
	if got, want := s.succeeds(inv), strconv.FormatInt(inv.Deadline.UnixMilli(), 10); got != want {
		t.Errorf("deadline is %s, want %s", got, want)
	}
}
