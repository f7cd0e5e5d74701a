package sandbox_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lambent-host/lambent/sandbox"
)

// The guest of these tests does what the length of its event says, and answers
// with a digit, the WASI error or a value, or with bytes.
const (
	opStatFolder  = 1 + iota // is /tmp there?
	opCloseFolder            // close the descriptor of /tmp
	opList                   // list /tmp by the descriptor it was started with
	opOpen                   // open or create "file" in /tmp
	opRead                   // read what was opened
	opClose                  // close what was opened
	opChange                 // change the table
	opCall                   // call through the table
	opTrap
	opEnviron // read the environment
)

// wasiImports follow those of the ABI.
const wasiImports = `fd_prestat_get ii>i fd_close i>i fd_readdir iiili>i path_open iiiiillii>i fd_read iiii>i environ_get ii>i`

func tricky() []byte {
	g := newGuest()
	names := strings.Fields(imports)
	wasi := strings.Fields(wasiImports)
	for i := 0; i < len(wasi); i += 2 {
		g.Import("wasi_snapshot_preview1", wasi[i], wasi[i+1])
	}
	g.Table('F', 2, 2)
	one := g.Func("", ">i", "", "i32.const 1")
	two := g.Func("", ">i", "", "i32.const 2")
	g.Elem(0, one, two)
	g.Data(300, []byte("file"))
	g.Data(320, []byte{0, 4, 0, 0, 64, 0, 0, 0}) // an iovec: 64 bytes at 1024
	code := ""
	on := func(op int, then string) {
		code += fmt.Sprintf(" local.get 0 i32.const %d i32.eq if > %s end ", op, then)
	}
	digit := "local.set 1 i32.const 0 local.get 1 i32.const 48 i32.add i32.store8 0 i32.const 0 i32.const 1 call response_write return"
	text := "drop i32.const 1024 i32.const 64 call response_write return"
	on(opStatFolder, "i32.const 4 i32.const 512 call fd_prestat_get "+digit)
	on(opCloseFolder, "i32.const 4 call fd_close "+digit)
	on(opList, "i32.const 4 i32.const 1024 i32.const 512 i64.const 0 i32.const 512 call fd_readdir drop i32.const 1024 i32.const 512 call response_write return")
	on(opOpen, "i32.const 4 i32.const 0 i32.const 300 i32.const 4 i32.const 1 i64.const -1 i64.const -1 i32.const 0 i32.const 600 call path_open "+digit)
	on(opRead, "i32.const 600 i32.load 0 i32.const 320 i32.const 1 i32.const 604 call fd_read "+text)
	on(opClose, "i32.const 600 i32.load 0 call fd_close "+digit)
	on(opChange, "i32.const 0 ref.func "+fmt.Sprint(two)+" table.set 0 i32.const 0 "+digit)
	on(opCall, fmt.Sprintf("i32.const 0 call_indirect %d 0 ", g.Type(">i"))+digit)
	on(opTrap, "unreachable")
	on(opEnviron, "i32.const 800 i32.const 1024 call environ_get "+text)
	all := slices.Concat(names, wasi)
	words := strings.Fields(code)
	for i, w := range words {
		for at := 0; i > 0 && words[i-1] == "call" && at < len(all); at += 2 {
			if all[at] == w {
				words[i] = fmt.Sprint(at / 2)
			}
		}
	}
	g.Func("lambent_invoke", "i>i", "i", strings.Join(words, " ")+" i32.const 0")
	return g.Bytes()
}

// pair is two instances of one module, which use one seat in turn as long as they
// can, each with a /tmp of its own.
type pair struct {
	*testing.T
	a, b *sandbox.Instance
	tmpB string
}

func newPair(t *testing.T) pair {
	t.Helper()
	m := compile(t, tricky(), defaultMemory)
	p := pair{T: t}
	for name, to := range map[string]**sandbox.Instance{"a": &p.a, "b": &p.b} {
		tmp := t.TempDir()
		if name == "b" {
			p.tmpB = tmp
		}
		for _, file := range []string{"file", "only-" + name} {
			if err := os.WriteFile(filepath.Join(tmp, file), []byte("of "+name), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		*to = instantiate(t, m, sandbox.InstanceConfig{TmpDir: tmp, Env: []string{"NAME=" + name}})
		if err := (*to).Init(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// do has an instance do something, and returns the answer up to the first zero.
func (p pair) do(i *sandbox.Instance, op int) string {
	p.Helper()
	text, _, _ := strings.Cut(answer(p.T, i, strings.Repeat(".", op)), "\x00")
	return text
}

func (p pair) want(i *sandbox.Instance, op int, want string) {
	p.Helper()
	if got := p.do(i, op); got != want {
		p.Errorf("%d answers %q, want %q", op, got, want)
	}
}

func TestAClosedFolderIsClosedForOneInstance(t *testing.T) {
	p := newPair(t)
	p.want(p.a, opStatFolder, "0")
	p.want(p.a, opCloseFolder, "0")
	p.want(p.b, opStatFolder, "0")
	p.want(p.a, opStatFolder, "8") // EBADF, for good
	p.want(p.b, opOpen, "0")
	p.want(p.b, opRead, "of b")
}

func TestAnOpenFileStaysItsInstances(t *testing.T) {
	p := newPair(t)
	p.want(p.a, opOpen, "0")
	p.want(p.b, opOpen, "0")
	p.want(p.a, opRead, "of a")
	p.want(p.b, opRead, "of b")
	p.want(p.a, opClose, "0")
	p.want(p.b, opClose, "0")
	p.want(p.b, opOpen, "0")
	p.want(p.a, opOpen, "0")
	p.want(p.b, opRead, "of b")
}

func TestAFolderIsListedForOneInstance(t *testing.T) {
	p := newPair(t)
	for range 2 {
		for name, i := range map[string]*sandbox.Instance{"a": p.a, "b": p.b} {
			got := answer(t, i, strings.Repeat(".", opList))
			other := map[string]string{"a": "only-b", "b": "only-a"}[name]
			if !strings.Contains(got, "only-"+name) || strings.Contains(got, other) {
				t.Errorf("%s lists %q", name, got)
			}
		}
	}
}

func TestAChangedTableStaysItsInstances(t *testing.T) {
	p := newPair(t)
	p.want(p.a, opCall, "1")
	p.want(p.a, opChange, "0")
	p.want(p.b, opCall, "1")
	p.want(p.a, opCall, "2")
	p.want(p.b, opCall, "1")
}

func TestAFaultIsOneInstances(t *testing.T) {
	p := newPair(t)
	p.want(p.a, opCall, "1")
	_, err := invoke(t, p.a, strings.Repeat(".", opTrap))
	mustFault(t, err, sandbox.FaultTrap)
	p.want(p.b, opCall, "1")
	p.want(p.b, opStatFolder, "0")
}

func TestTheEnvironmentIsTheInstances(t *testing.T) {
	p := newPair(t)
	p.want(p.a, opEnviron, "NAME=a")
	p.want(p.b, opEnviron, "NAME=b")
	p.want(p.a, opEnviron, "NAME=a")
}

// What is more than memory and globals cannot be captured, and the reason is told.
func TestWhatCannotBeCapturedSaysWhy(t *testing.T) {
	for op, reason := range map[int]string{
		opOpen: "files open", opChange: "changed a table", opCloseFolder: "closed a descriptor", opList: "listed a mounted folder",
	} {
		p := newPair(t)
		p.do(p.a, op)
		_, err := p.a.Snapshot(t.Context())
		if err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%d: captured, or refused without %q: %v", op, reason, err)
		}
		p.want(p.a, opCall, map[bool]string{true: "2", false: "1"}[op == opChange]) // it goes on
		if _, err := p.b.Snapshot(t.Context()); err == nil || !strings.Contains(err.Error(), "files in /tmp") {
			t.Errorf("its neighbour, with files: %v", err)
		}
		for _, file := range []string{"file", "only-b"} {
			if err := os.Remove(filepath.Join(p.tmpB, file)); err != nil {
				t.Fatal(err)
			}
		}
		s, err := p.b.Snapshot(t.Context())
		if err != nil {
			t.Errorf("its neighbour: %v", err)
			continue
		}
		_ = s.Close()
	}
}
