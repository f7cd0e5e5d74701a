package sandbox_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lambent-host/lambent/abi"
	"github.com/lambent-host/lambent/sandbox"
	"github.com/lambent-host/lambent/sandbox/internal/wasmtest"
)

func TestEcho(t *testing.T) {
	i := start(t, newGuest().handler(echo), sandbox.InstanceConfig{})
	for _, event := range []string{`{"a":1}`, "", strings.Repeat("x", 60_000)} {
		res, err := invoke(t, i, event)
		if err != nil || string(res.Payload) != event || res.Error != nil {
			t.Errorf("%q: %q, %v, %v", event, res.Payload, res.Error, err)
		}
	}
}

// Each host function with arguments of every kind: what it returns is the
// response.
func TestHostCalls(t *testing.T) {
	value := func(code string) string {
		return code + ` local.set 1
			i32.const 100 local.get 1 i32.store 0 i32.const 100 i32.const 4 call response_write`
	}
	for _, c := range []struct {
		name, code string
		want       int32
	}{
		{"event in the middle", "i32.const 0 i32.const 3 i32.const 2 call event_read", 3},
		{"event at its end", "i32.const 0 i32.const 9 i32.const 4 call event_read", 3},
		{"event past its end", "i32.const 0 i32.const 9 i32.const -1 call event_read", 0},
		{"event outside memory", "i32.const 65530 i32.const 9 i32.const 0 call event_read", abi.ErrFault},
		{"event outside memory, wrapping", "i32.const -1 i32.const -1 i32.const 0 call event_read", abi.ErrFault},
		{"response outside memory", "i32.const 65530 i32.const 9 call response_write", abi.ErrFault},
		{"fail outside memory", "i32.const 0 i32.const 1 i32.const -5 i32.const 9 call fail", abi.ErrFault},
		{"document outside memory", "i32.const 65530 i32.const 9 call fail_document", abi.ErrFault},
		{"document that is not JSON", "i32.const 0 i32.const 4 call fail_document", abi.ErrInvalid},
		{"document null", "i32.const 200 i32.const 4 call fail_document", abi.ErrInvalid},
		{"document array", "i32.const 210 i32.const 2 call fail_document", abi.ErrInvalid},
		{"request id fits", "i32.const 1 i32.const 0 i32.const 3 call context_read", 3},
		{"request id does not fit", "i32.const 1 i32.const 0 i32.const 2 call context_read", 3},
		{"request id outside memory", "i32.const 1 i32.const 65535 i32.const 2 call context_read", abi.ErrFault},
		{"cognito identity is empty", "i32.const 5 i32.const 0 i32.const 9 call context_read", 0},
		{"unknown field", "i32.const 6 i32.const 0 i32.const 9 call context_read", abi.ErrInvalid},
		{"deadline", "call deadline_ms i32.wrap_i64", 77_000},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGuest()
			g.Data(200, []byte("null      []"))
			i := start(t, g.handler(value(c.code)), sandbox.InstanceConfig{})
			res, err := i.Invoke(within(t, time.Minute), sandbox.Invocation{
				Event: []byte("1234567"), RequestID: "abc", Deadline: time.UnixMilli(77_000)})
			if err != nil || len(res.Payload) != 4 {
				t.Fatalf("%v, %v", res, err)
			}
			if got := int32(binary.LittleEndian.Uint32(res.Payload)); got != c.want {
				t.Errorf("returned %d, want %d", got, c.want)
			}
		})
	}
}

func TestContextIsCopied(t *testing.T) {
	for field, want := range map[int]string{1: "req", 2: "arn", 3: "trace", 4: "{}", 5: "cognito"} {
		code := fmt.Sprintf(`i32.const %d i32.const 0 i32.const 100 call context_read local.set 1
			i32.const 0 local.get 1 call response_write`, field)
		i := start(t, newGuest().handler(code), sandbox.InstanceConfig{})
		res, err := i.Invoke(within(t, time.Minute), sandbox.Invocation{
			RequestID: "req", FunctionARN: "arn", TraceID: "trace", ClientContext: "{}", CognitoIdentity: "cognito"})
		if err != nil || string(res.Payload) != want {
			t.Errorf("field %d: %q, %v", field, res.Payload, err)
		}
	}
}

func TestFunctionErrors(t *testing.T) {
	document := `{"errorMessage":"no","errorType":"Sad","stackTrace":["a"]}`
	for _, c := range []struct{ name, code, typ, document string }{
		{"fail", `i32.const 0 i32.const 3 i32.const 3 i32.const 4 call fail`, "Bad", `{"errorMessage":"luck","errorType":"Bad"}`},
		{"document", fmt.Sprintf(`i32.const 100 i32.const %d call fail_document`, len(document)), "Sad", document},
		{"first one counts", `i32.const 0 i32.const 3 i32.const 3 i32.const 4 call fail drop
			i32.const 100 i32.const 20 call fail_document drop i32.const 0 i32.const 1 call response_write drop i32.const 1`,
			"Bad", `{"errorMessage":"luck","errorType":"Bad"}`},
		{"number without a document", "i32.const 7", "Runtime.Unknown",
			`{"errorMessage":"lambent_invoke returned 7","errorType":"Runtime.Unknown"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGuest()
			g.Data(0, []byte("Badluck"))
			g.Data(100, []byte(document))
			i := start(t, g.handler(c.code), sandbox.InstanceConfig{})
			for range 2 { // a function error leaves the instance usable
				res, err := invoke(t, i, "{}")
				if err != nil || res.Error == nil || res.Payload != nil {
					t.Fatalf("%+v, %v", res, err)
				}
				if res.Error.Type != c.typ || string(res.Error.Document) != c.document || !json.Valid(res.Error.Document) {
					t.Errorf("%s %s", res.Error.Type, res.Error.Document)
				}
			}
		})
	}
}

func TestFaults(t *testing.T) {
	exit := func(code int) []byte {
		m := &wasmtest.Module{}
		m.Import("wasi_snapshot_preview1", "proc_exit", "i>")
		m.Memory(1, -1)
		m.Func("lambent_invoke", "i>i", "", fmt.Sprintf("i32.const %d call 0 i32.const 0", code))
		return m.Bytes()
	}
	for _, c := range []struct {
		name    string
		wasm    []byte
		kind    sandbox.FaultKind
		message string
		stack   string
		code    uint32
	}{
		{"unreachable", newGuest().handler("unreachable"), sandbox.FaultTrap, "unreachable", "f6_lambent_invoke", 0},
		{"out of bounds", newGuest().handler("i32.const -1 i32.load 0"), sandbox.FaultTrap, "out of bounds memory access", "f6_lambent_invoke", 0},
		{"division", newGuest().handler("i32.const 1 i32.const 0 i32.div_s"), sandbox.FaultTrap, "integer divide by zero", "f6_lambent_invoke", 0},
		{"recursion", newGuest().handler("local.get 0 call 6"), sandbox.FaultTrap, "stack overflow", "", 0},
		{"exit 3", exit(3), sandbox.FaultExit, "exit status 3", "", 3},
		{"exit 0", exit(0), sandbox.FaultExit, "exit status 0", "", 0},
		{"memory", newGuest().handler("loop > i32.const 1 memory.grow i32.const -1 i32.ne br_if 0 end unreachable"),
			sandbox.FaultMemory, "memory limit was reached: unreachable", "f6_lambent_invoke", 0},
		{"response", newGuest().handler(`loop > i32.const 0 i32.const 60000 call response_write i32.eqz br_if 0 end i32.const 0`),
			sandbox.FaultResponseTooLarge, "larger than 6291556 bytes", "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			i := start(t, c.wasm, sandbox.InstanceConfig{})
			_, err := invoke(t, i, "{}")
			f := mustFault(t, err, c.kind)
			if !strings.Contains(f.Message, c.message) || !strings.Contains(f.Stack, c.stack) || f.ExitCode != c.code {
				t.Errorf("%+v", f)
			}
			if _, err := invoke(t, i, "{}"); !errors.Is(err, sandbox.ErrFaulted) {
				t.Errorf("after the fault: %v", err)
			}
		})
	}
}

// A guest that reports its failure and then exits gets both through.
func TestReportAndExit(t *testing.T) {
	m := &wasmtest.Module{}
	m.Import("lambent_v1", "fail", "iiii>i")
	m.Import("wasi_snapshot_preview1", "proc_exit", "i>")
	m.Memory(1, -1)
	m.Data(0, []byte("Panic"))
	m.Func("lambent_invoke", "i>i", "", "i32.const 0 i32.const 5 i32.const 0 i32.const 1 call 0 drop i32.const 1 call 1 i32.const 0")
	res, err := invoke(t, start(t, m.Bytes(), sandbox.InstanceConfig{}), "{}")
	mustFault(t, err, sandbox.FaultExit)
	if res.Error == nil || res.Error.Type != "Panic" {
		t.Errorf("%+v", res.Error)
	}
}

func TestResponseLimit(t *testing.T) {
	code := "i32.const 0 local.get 0 call response_write drop i32.const 0"
	i := start(t, newGuest().handler(code), sandbox.InstanceConfig{MaxResponseBytes: 10})
	if res, err := invoke(t, i, "0123456789"); err != nil || len(res.Payload) != 10 {
		t.Errorf("at the limit: %v, %v", res, err)
	}
	_, err := invoke(t, i, "0123456789a")
	mustFault(t, err, sandbox.FaultResponseTooLarge)
}

func TestTheTimesOfTheAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		code     string
		answered bool
	}{
		"in two parts": {"i32.const 0 i32.const 1 call response_write drop i32.const 0 i32.const 1 call response_write", true},
		"an error":     {"i32.const 0 i32.const 1 i32.const 0 i32.const 1 call fail", true},
		"none":         {"i32.const 0", false},
	} {
		before := time.Now()
		res, err := invoke(t, start(t, newGuest().handler(c.code), sandbox.InstanceConfig{}), "{}")
		after := time.Now()
		switch {
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case !c.answered && !(res.AnswerBegan.IsZero() && res.AnswerEnded.IsZero()):
			t.Errorf("%s: from %v to %v", name, res.AnswerBegan, res.AnswerEnded)
		case c.answered && (res.AnswerBegan.Before(before) || res.AnswerEnded.Before(res.AnswerBegan) || res.AnswerEnded.After(after)):
			t.Errorf("%s: from %v to %v, in a call from %v to %v", name, res.AnswerBegan, res.AnswerEnded, before, after)
		}
	}
}

func TestInit(t *testing.T) {
	order := func(extra func(g *guest)) []byte {
		g := newGuest()
		append1 := func(n int) string {
			return fmt.Sprintf("global.get 0 i32.const 10 i32.mul i32.const %d i32.add global.set 0", n)
		}
		g.Global('i', "i32.const 0")
		g.Start(g.Func("", ">", "", append1(1)))
		g.Func("_initialize", ">", "", append1(2))
		if extra != nil {
			extra(g)
		} else {
			g.Func("lambent_init", ">i", "", append1(3)+" i32.const 0")
		}
		return g.handler("i32.const 0 global.get 0 i32.store 0 i32.const 0 i32.const 4 call response_write")
	}
	i := start(t, order(nil), sandbox.InstanceConfig{})
	if res, err := invoke(t, i, ""); err != nil || string(res.Payload) != "\x7b\x00\x00\x00" { // 123
		t.Errorf("%q, %v", res.Payload, err)
	}
	if err := i.Init(context.Background()); !errors.Is(err, sandbox.ErrState) {
		t.Errorf("second Init: %v", err)
	}

	for _, c := range []struct {
		name, code string
		kind       sandbox.FaultKind
		report     bool
	}{
		{"number", "i32.const 5", sandbox.FaultInit, false},
		{"report", "i32.const 0 i32.const 0 i32.const 0 i32.const 0 call fail", sandbox.FaultInit, true},
		{"report and trap", "i32.const 0 i32.const 0 i32.const 0 i32.const 0 call fail drop unreachable", sandbox.FaultTrap, true},
		{"loop", "loop > br 0 end unreachable", sandbox.FaultTimeout, false},
		{"response", "i32.const 0 i32.const 1 call response_write i32.const -3 i32.ne", sandbox.FaultKind(0), false},
		{"event", "i32.const 0 i32.const 1 i32.const 0 call event_read i32.const -3 i32.ne", sandbox.FaultKind(0), false},
		{"deadline", "call deadline_ms i32.wrap_i64", sandbox.FaultKind(0), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := compile(t, order(func(g *guest) { g.Func("lambent_init", ">i", "", named(c.code)) }), defaultMemory)
			i := instantiate(t, m, sandbox.InstanceConfig{})
			err := i.Init(within(t, 100*time.Millisecond))
			if c.kind == 0 {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if f := mustFault(t, err, c.kind); (f.Report != nil) != c.report {
				t.Errorf("report %+v", f.Report)
			}
			if _, err := invoke(t, i, ""); !errors.Is(err, sandbox.ErrFaulted) {
				t.Errorf("Invoke after a failed Init: %v", err)
			}
		})
	}
}

func TestInstancesAreApart(t *testing.T) {
	g := newGuest()
	g.Global('i', "i32.const 0")
	m := compile(t, g.handler(`global.get 0 i32.const 1 i32.add global.set 0
		i32.const 0 global.get 0 i32.store8 0 i32.const 0 i32.const 1 call response_write`), defaultMemory)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			i, err := m.Instantiate(context.Background(), sandbox.InstanceConfig{})
			if err != nil {
				t.Error(err)
				return
			}
			defer i.Close(context.Background())
			if err := i.Init(context.Background()); err != nil {
				t.Error(err)
			}
			for n := byte(1); n < 50; n++ {
				if res, err := invoke(t, i, ""); err != nil || res.Payload[0] != n {
					t.Errorf("%d: %v, %v", n, res.Payload, err)
				}
			}
		})
	}
	wg.Wait()
}

// announced is a writer that closes when it is first written to.
type announced chan struct{}

func (a announced) Write(p []byte) (int, error) {
	close(a)
	return len(p), nil
}

func TestStates(t *testing.T) {
	ctx := context.Background()
	g := &wasmtest.Module{}
	g.Import("wasi_snapshot_preview1", "fd_write", "iiii>i")
	g.Memory(1, -1)
	g.Data(0, []byte("\x64\x00\x00\x00\x01")) // one byte at 100
	g.Func("lambent_invoke", "i>i", "", "i32.const 1 i32.const 0 i32.const 1 i32.const 8 call 0 drop loop > br 0 end unreachable")
	runs := make(announced)
	i := instantiate(t, compile(t, g.Bytes(), defaultMemory), sandbox.InstanceConfig{Stdout: runs})
	if _, err := invoke(t, i, ""); !errors.Is(err, sandbox.ErrState) {
		t.Errorf("Invoke before Init: %v", err)
	}
	if err := i.Init(ctx); err != nil {
		t.Fatal(err)
	}
	running, cancel := context.WithCancel(ctx)
	ended := make(chan error)
	go func() {
		_, err := i.Invoke(running, sandbox.Invocation{})
		ended <- err
	}()
	<-runs
	if _, err := invoke(t, i, ""); !errors.Is(err, sandbox.ErrBusy) {
		t.Errorf("Invoke while running: %v", err)
	}
	if err := i.Close(ctx); !errors.Is(err, sandbox.ErrBusy) {
		t.Errorf("Close while running: %v", err)
	}
	cancel()
	err := <-ended
	if mustFault(t, err, sandbox.FaultCanceled); !errors.Is(err, context.Canceled) {
		t.Errorf("%v is not context.Canceled", err)
	}
	for range 2 {
		if err := i.Close(ctx); err != nil {
			t.Error(err)
		}
	}
	if _, err := invoke(t, i, ""); !errors.Is(err, sandbox.ErrClosed) {
		t.Errorf("Invoke after Close: %v", err)
	}
}

func TestMemoryIsReported(t *testing.T) {
	i := start(t, newGuest().handler("i32.const 15 memory.grow drop i32.const 0"), sandbox.InstanceConfig{})
	if got := i.MemoryBytes(); got != 1<<16 {
		t.Errorf("at first %d", got)
	}
	if _, err := invoke(t, i, ""); err != nil {
		t.Fatal(err)
	}
	_ = i.Close(context.Background())
	if got := i.MemoryBytes(); got != 1<<20 {
		t.Errorf("after growing %d", got)
	}
}

func TestMemoryLimit(t *testing.T) {
	m := compile(t, newGuest().handler(`i32.const 0 i32.const 32 memory.grow i32.store 0
		i32.const 4 i32.const 31 memory.grow i32.store 0 i32.const 0 i32.const 8 call response_write`), 32<<16)
	i := instantiate(t, m, sandbox.InstanceConfig{})
	if err := i.Init(context.Background()); err != nil {
		t.Fatal(err)
	}
	if res, err := invoke(t, i, ""); err != nil || string(res.Payload) != "\xff\xff\xff\xff\x01\x00\x00\x00" {
		t.Errorf("%x, %v", res.Payload, err)
	}
}
