package sandbox_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/lambent-host/lambent/abi/gobuild"
	"github.com/lambent-host/lambent/sandbox"
)

// filesProgram builds testdata/files once.
var filesProgram = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "lambent-files-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	out := filepath.Join(dir, "files.wasm")
	if _, err := gobuild.Build(ctx, gobuild.Options{Dir: filepath.Join("testdata", "files"), Out: out}); err != nil {
		return nil, err
	}
	return os.ReadFile(out)
})

// session is a guest that does file operations, and the host's side of /tmp.
type session struct {
	t    *testing.T
	inst *sandbox.Instance
	tmp  string
}

func newSession(t *testing.T) session {
	t.Helper()
	wasm, err := filesProgram()
	if err != nil {
		t.Fatal(err)
	}
	outer := t.TempDir()
	tmp := filepath.Join(outer, "tmp")
	write(t, filepath.Join(outer, "secret"), "the host's")
	if err := os.Mkdir(tmp, 0o755); err != nil {
		t.Fatal(err)
	}
	task := fstest.MapFS{"data.txt": {Data: []byte("from the package")}, "sub/inner": {Data: []byte("deep")}}
	i := instantiate(t, compile(t, wasm, defaultMemory), sandbox.InstanceConfig{Task: task, TmpDir: tmp, Opt: fstest.MapFS{"layer/file": {Data: []byte("from a layer")}}})
	if err := i.Init(context.Background()); err != nil {
		t.Fatal(err)
	}
	return session{t, i, tmp}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// script runs lines of "operation => beginning of the result".
func (s session) script(lines ...string) {
	s.t.Helper()
	var ops, want []string
	for _, l := range lines {
		op, result, _ := strings.Cut(l, " => ")
		ops, want = append(ops, op), append(want, result)
	}
	res, err := invoke(s.t, s.inst, strings.Join(ops, "\n"))
	if err != nil {
		s.t.Fatal(err)
	}
	got := strings.Split(string(res.Payload), "\n")
	for i, w := range want {
		if i >= len(got) || !strings.HasPrefix(got[i], w) || (w == "ok" && got[i] != "ok") {
			s.t.Errorf("%s: %q, want %q", ops[i], got[min(i, len(got)-1)], w)
		}
	}
}

func TestTemporaryFolder(t *testing.T) {
	s := newSession(t)
	s.script(
		"write /tmp/a one => ok",
		"read /tmp/a => ok one",
		"append /tmp/a two => ok",
		"read /tmp/a => ok onetwo!",
		"truncate /tmp/a => ok",
		"read /tmp/a => ok on",
		"mkdir /tmp/d => ok",
		"mkdir /tmp/d => error",
		"rename /tmp/a /tmp/d/b => ok",
		"read /tmp/a => error",
		"read /tmp/d/b => ok on",
		"link /tmp/hard /tmp/d/b => ok",
		"symlink /tmp/soft d/b => ok",
		"read /tmp/soft => ok on",
		"readlink /tmp/soft => ok d/b",
		"chtimes /tmp/d/b => ok",
		"stat /tmp/d/b => ok 2 false 2000",
		"stat /tmp/d => ok ",
		"list /tmp => ok d hard soft",
		"remove /tmp/d => error",
		"remove /tmp/soft => ok",
		"remove /tmp/d/b => ok",
		"remove /tmp/d => ok",
		"list /tmp => ok hard",
	)
	// What one run left is there in the next, and on the host.
	s.script("read /tmp/hard => ok on")
	if b, err := os.ReadFile(filepath.Join(s.tmp, "hard")); err != nil || string(b) != "on" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestTaskFolderIsReadOnly(t *testing.T) {
	newSession(t).script(
		"read /var/task/data.txt => ok from the package",
		"read /var/task/sub/inner => ok deep",
		"read /opt/layer/file => ok from a layer",
		"list /opt => ok layer",
		"write /opt/layer/file x => error",
		"read /opt/../etc/passwd => error",
		"list /var/task => ok data.txt sub",
		"write /var/task/data.txt x => error",
		"write /var/task/new x => error",
		"mkdir /var/task/new => error",
		"remove /var/task/data.txt => error",
		"rename /var/task/data.txt /tmp/x => error",
		"truncate /var/task/data.txt => error",
		"read /var/task/../../etc/passwd => error",
		"read /var/task/data.txt => ok from the package",
	)
}

// A guest cannot fill the host's disk, nor its table of open files.
func TestFoldersAreBounded(t *testing.T) {
	wasm, err := filesProgram()
	if err != nil {
		t.Fatal(err)
	}
	task := fstest.MapFS{"data.txt": {Data: []byte("from the package")}}
	i := instantiate(t, compile(t, wasm, defaultMemory), sandbox.InstanceConfig{Task: task, TmpDir: t.TempDir(), TmpBytes: 1 << 20})
	if err := i.Init(context.Background()); err != nil {
		t.Fatal(err)
	}
	session{t: t, inst: i}.script(
		"write /tmp/a one => ok",
		"grow /tmp/a 1000000 => ok",
		"grow /tmp/a 1100000 => error",
		"hold /tmp/a 1000 => ok",
		"hold /tmp/a 1100 => error",
		"hold /var/task/data.txt 1000 => ok",
		"hold /var/task/data.txt 1100 => error",
		"read /var/task/data.txt => ok from the package",
	)
}

// No path and no link leads out of /tmp, however it came to be there.
func TestNothingLeadsOut(t *testing.T) {
	s := newSession(t)
	outside := filepath.Join(filepath.Dir(s.tmp), "secret")
	if err := os.Symlink(filepath.Dir(s.tmp), filepath.Join(s.tmp, "planted")); err != nil {
		t.Fatal(err)
	}
	s.script(
		"read /etc/passwd => error",
		"read "+outside+" => error",
		"read /tmp/../secret => error",
		"list / => error",
		"symlink /tmp/up ../secret => ",
		"read /tmp/up => error",
		"write /tmp/up owned => error",
		"append /tmp/up owned => error",
		"truncate /tmp/up => error",
		"stat /tmp/up => error",
		"chtimes /tmp/up => error",
		"symlink /tmp/absolute "+outside+" => ",
		"read /tmp/absolute => error",
		"symlink /tmp/folder .. => ",
		"list /tmp/folder => error",
		"read /tmp/folder/secret => error",
		"write /tmp/folder/new owned => error",
		"mkdir /tmp/folder/new => error",
		"remove /tmp/folder/secret => error",
		"rename /tmp/folder/secret /tmp/mine => error",
		"link /tmp/mine ../secret => error",
		"link /tmp/mine folder/secret => error",
		"read /tmp/planted/secret => error",
		"write /tmp/planted/secret owned => error",
	)
	if b, err := os.ReadFile(outside); err != nil || string(b) != "the host's" {
		t.Errorf("the file outside is now %q, %v", b, err)
	}
	entries, err := os.ReadDir(filepath.Dir(s.tmp))
	if err != nil || len(entries) != 2 {
		t.Errorf("the folder outside has %v, %v", entries, err)
	}
}

func TestWithoutFolders(t *testing.T) {
	wasm, err := filesProgram()
	if err != nil {
		t.Fatal(err)
	}
	s := session{t: t, inst: start(t, wasm, sandbox.InstanceConfig{})}
	s.script("read /etc/passwd => error", "write /tmp/a x => error", "list / => error")
}
