//go:build !wasip1

package guest

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"strings"
	"testing"
)

// What needs a host is tested by package abitest, inside WebAssembly.

func TestNoHost(t *testing.T) {
	if _, err := Next(); !errors.Is(err, ErrNoHost) {
		t.Errorf("Next: %v", err)
	}
	inv := readInvocation(10)
	if len(inv.Event()) != 0 || inv.RequestID() != "" || inv.Deadline().UnixMilli() != 0 {
		t.Errorf("an invocation from nowhere has event %q, id %q, deadline %v", inv.Event(), inv.RequestID(), inv.Deadline())
	}
	if err := inv.Respond(nil); err == nil {
		t.Error("an answer to nobody was taken")
	}
}

func TestNumbers(t *testing.T) {
	for n, want := range map[int32]string{0: "", 7: "", errTooLarge: ErrTooLarge.Error(), errState: ErrAnswered.Error(), errInvalid: "not a JSON object", errFault: "memory", -99: "error -99"} {
		got := ""
		if err := number(n); err != nil {
			got = err.Error()
		}
		if (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("number(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestOneAnswer(t *testing.T) {
	calls := 0
	take := func() int32 { calls++; return 0 }
	refuse := func() int32 { calls++; return errInvalid }
	full := func() int32 { calls++; return errTooLarge }

	inv := &Invocation{}
	if err := inv.answer(refuse); err == nil || errors.Is(err, ErrAnswered) {
		t.Errorf("a refused document: %v", err)
	}
	if err := inv.answer(take); err != nil {
		t.Errorf("another document after it: %v", err)
	}
	if err := inv.answer(take); !errors.Is(err, ErrAnswered) {
		t.Errorf("a second answer: %v", err)
	}
	inv = &Invocation{}
	if err := inv.answer(full); !errors.Is(err, ErrTooLarge) {
		t.Errorf("past the limit: %v", err)
	}
	if err := inv.answer(take); !errors.Is(err, ErrAnswered) {
		t.Errorf("after one past the limit: %v", err)
	}
	if calls != 3 {
		t.Errorf("%d calls of the host, want 3", calls)
	}
}

type custom struct{}

func (*custom) Error() string { return "custom" }

func TestPanicDocument(t *testing.T) {
	for _, c := range []struct {
		value        any
		kind, reason string
	}{{"text", "string", "text"}, {&custom{}, "custom", "custom"}, {errors.New("e"), "errorString", "e"}, {12, "int", "12"}} {
		var raw []byte
		func() {
			defer func() { raw = panicDocument(recover()) }()
			panic(c.value)
		}()
		var got struct {
			ErrorMessage, ErrorType string
			StackTrace              []frame
		}
		if err := json.Unmarshal(raw, &got); err != nil {
			t.Fatal(err)
		}
		if got.ErrorType != c.kind || got.ErrorMessage != c.reason {
			t.Errorf("%v: %s", c.value, raw)
		}
		if !strings.Contains(string(raw), "guest_test.go") {
			t.Errorf("%v: the stack does not name this file: %s", c.value, raw)
		}
	}
}

func TestFromContext(t *testing.T) {
	if _, ok := FromContext(context.Background()); ok {
		t.Error("a context of another kind has an invocation")
	}
}

// TestSources sees to it that what is injected holds the wasip1 files, and that
// no file of it imports what the standard library does not have.
func TestSources(t *testing.T) {
	names := map[string]bool{}
	err := fs.WalkDir(Sources, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		names[path] = true
		content, err := fs.ReadFile(Sources, path)
		if strings.HasSuffix(path, "_test.go") {
			return err
		}
		for line := range strings.Lines(string(content)) {
			line = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "import "))
			if strings.HasPrefix(line, `"`) && strings.Contains(line, ".") && strings.HasSuffix(line, `"`) && line != `"github.com/lambent-host/lambent/abi/guest"` {
				t.Errorf("%s imports %s", path, line)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"exports_wasip1.go", "imports_wasip1.go", "next.go", "runtimeapi/dial_wasip1.go", "runtimeapi/server.go"} {
		if !names[name] {
			t.Errorf("%s is not among the sources", name)
		}
	}
}
