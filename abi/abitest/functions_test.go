package abitest

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/lambent-host/lambent/abi/gobuild/gobuildtest"
)

// The functions of this repository do what their package comments say. Those
// that have to be stopped (spin, recurse, hoard) are run by hosts with limits.

func TestHello(t *testing.T) {
	runner, module := newRunner(t), gobuildtest.Function(t, "hello")
	s := begin(t, runner, module)
	var got struct{ Message, RequestID string }
	if err := json.Unmarshal([]byte(s.succeeds(invocation(`{"name":"Ada"}`))), &got); err != nil {
		t.Fatal(err)
	}
	if got.Message != "Hello, Ada!" || got.RequestID != invocation("").RequestID {
		t.Errorf("answer %+v", got)
	}
	if !strings.Contains(s.log.String(), "greeting Ada\n") {
		t.Errorf("log %q", s.log)
	}
	s.fails(`{"name":"Bob","fail":true}`, "greetingError", `"Bob"`)
	s = begin(t, runner, module, "GREETING=Moin")
	if out := s.succeeds(invocation(`{"sleepMs":1,"spinMs":1}`)); !strings.Contains(out, "Moin, World!") {
		t.Errorf("answer %s", out)
	}
}

func TestEchoAndCounter(t *testing.T) {
	runner := newRunner(t)
	begin(t, runner, gobuildtest.Function(t, "echo")).answers(`{ "kept" : [ 1.0 ] }`, `{"kept":[1.0]}`)
	s := begin(t, runner, gobuildtest.Function(t, "counter"))
	s.answers("{}", `{"count":1}`)
	s.answers("{}", `{"count":2}`)
}

func TestJSON(t *testing.T) {
	s := begin(t, newRunner(t), gobuildtest.Function(t, "json"))
	s.answers(`{"id":"o","lines":[{"sku":"a","quantity":2,"price":1.5},{"sku":"b","quantity":1,"price":4}],"total":99}`,
		`{"id":"o","lines":[{"sku":"a","quantity":2,"price":1.5},{"sku":"b","quantity":1,"price":4}],"notes":["totalled"],"total":7}`)
}

func TestWaysToGoWrong(t *testing.T) {
	runner := newRunner(t)
	trap := gobuildtest.Function(t, "trap")
	for event, want := range map[string]string{`{}`: "a panic, as asked for", `{"kind":"error"}`: "an error, thrown", `{"kind":"nil"}`: "nil pointer"} {
		s := begin(t, runner, trap)
		if out := s.invoke(event); !strings.Contains(string(out.Document), want) || !out.Exited {
			t.Errorf("trap %s: %+v", event, out)
		}
	}
	exit := gobuildtest.Function(t, "exit")
	if out := begin(t, runner, exit).invoke(`{"status":4}`); !out.Exited || out.ExitCode != 4 {
		t.Errorf("exit: %+v", out)
	}
	s := prepare(t, runner, exit, "EXIT_AT=init")
	if err := s.inst.Init(s.ctx); err == nil {
		t.Error("exit at init: init succeeded")
	}
	s = begin(t, runner, gobuildtest.Function(t, "hoard"))
	s.answers(`{"megabytes":3}`, "3")
}

func TestFlood(t *testing.T) {
	s := begin(t, newRunner(t), gobuildtest.Function(t, "flood"))
	if got := s.succeeds(invocation(`{"responseBytes":5000000}`)); len(got) != 5000000 {
		t.Errorf("%d bytes of response", len(got))
	}
	s.succeeds(invocation(`{"logLines":1000}`))
	if lines, size := bytes.Count(s.log.Bytes(), []byte("\n")), s.log.Len(); lines != 1000 || size != 100*1000 {
		t.Errorf("%d lines in %d bytes of log", lines, size)
	}
	out := s.invoke(`{"responseBytes":7000000}`)
	if out.Fault == nil && out.Document == nil {
		t.Error("a response past the limit was accepted")
	}
}
