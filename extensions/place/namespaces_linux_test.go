package place

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/lambent-host/lambent/extensions/place/egress"
)

// isolated returns a place with full isolation, or skips.
func isolated(t *testing.T, change func(*Config)) Place {
	t.Helper()
	cfg := Config{Isolation: Full, Log: zerolog.New(zerolog.NewTestWriter(t))}
	if change != nil {
		change(&cfg)
	}
	skipWithoutNamespaces(t)
	p, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// skipWithoutNamespaces asks the system itself: what this package cannot do although
// the system lets it is a failure.
func skipWithoutNamespaces(t *testing.T) {
	t.Helper()
	attr := &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS}
	if os.Geteuid() != 0 {
		attr.Cloneflags |= unix.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
	}
	asked := exec.Command("/bin/mount", "-t", "tmpfs", "none", "/proc")
	asked.SysProcAttr = attr
	if out, err := asked.CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: this machine makes no namespaces: %v %s", err, out)
	}
}

// stay is a room with what a test needs of it.
type stay struct {
	Room
	t        *testing.T
	listener net.Listener
	tmp      string
	files    []string
}

// open opens a room for extensions, which are shell scripts by name.
func open(t *testing.T, p Place, scripts map[string]string) *stay {
	t.Helper()
	s := &stay{t: t, tmp: t.TempDir()}
	dir := t.TempDir()
	for name, text := range scripts {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		s.files = append(s.files, path)
	}
	var err error
	if s.Room, s.listener, err = p.Open(t.Context(), Environment{Extensions: s.files, Tmp: s.tmp}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.listener.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// start starts one of the extensions.
func (s *stay) start(name string) (Process, *lines) {
	s.t.Helper()
	out := &lines{}
	for _, path := range s.files {
		if filepath.Base(path) != name {
			continue
		}
		p, err := s.Start(Command{Path: path, Env: []string{"PATH=/usr/bin:/bin:/usr/sbin:/sbin"}, Stdout: out, Stderr: out})
		if err != nil {
			s.t.Fatal(err)
		}
		return p, out
	}
	s.t.Fatalf("no extension %s", name)
	return nil, nil
}

// says runs a script in a room of its own and returns what it wrote.
func says(t *testing.T, p Place, text string) string {
	t.Helper()
	s := open(t, p, map[string]string{"it": text})
	process, out := s.start("it")
	if status := process.Wait(); status != "exit status 0" {
		t.Fatalf("ended with %s: %s", status, out)
	}
	return out.String()
}

// TestTwoEnvironmentsListenOnOnePort: what collides on one machine does not in two
// networks, and each is reached in its own.
func TestTwoEnvironmentsListenOnOnePort(t *testing.T) {
	if _, err := os.Stat("/usr/bin/python3"); err != nil {
		t.Skip("SKIPPED: no python3")
	}
	p := isolated(t, nil)
	server := func(addr, word string) string {
		return fmt.Sprintf(`exec python3 -c '
import socket
s = socket.create_server(("%s", 8080))
print("listening", flush=True)
while True:
    c, _ = s.accept()
    c.sendall(b"%s"); c.close()'`, addr, word)
	}
	rooms := map[string]*stay{
		"first":  open(t, p, map[string]string{"it": server("0.0.0.0", "first")}),
		"second": open(t, p, map[string]string{"it": server("sandbox.localdomain", "second")}),
	}
	for _, s := range rooms {
		_, out := s.start("it")
		out.await(t, "listening")
	}
	for want, s := range rooms {
		conn, err := s.Dial(t.Context(), 8080)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 64)
		n, _ := conn.Read(got)
		conn.Close()
		if string(got[:n]) != want {
			t.Errorf("dialled %q, want %q", got[:n], want)
		}
		if _, err := s.Dial(t.Context(), 8081); err == nil {
			t.Error("dialled a port that nobody listens on")
		}
	}
}

// TestTheAPIIsServedInside: what is served on the listener is met at Lambda's address,
// by every name.
func TestTheAPIIsServedInside(t *testing.T) {
	s := open(t, isolated(t, nil), map[string]string{"it": `for name in 127.0.0.1 localhost sandbox sandbox.localdomain; do curl -sS -m 5 http://$name:9001/$name; done`})
	server := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path) })}
	go server.Serve(s.listener)
	defer server.Close()
	if addr := s.listener.Addr().String(); addr != "127.0.0.1:9001" {
		t.Errorf("the address is %s", addr)
	}
	process, out := s.start("it")
	process.Wait()
	if want := "/127.0.0.1/localhost/sandbox/sandbox.localdomain"; out.String() != want {
		t.Errorf("got %q, want %q", out, want)
	}
}

// TestTheWayOut: what is allowed is reached, and nothing else of this machine.
func TestTheWayOut(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "reached") }))
	defer server.Close()
	port := server.Listener.Addr().(*net.TCPAddr).Port
	p := isolated(t, func(c *Config) { c.Allow = []egress.Rule{{Host: true, Port: uint16(port)}} })
	if !p.(*namespaces).hasWayOut {
		t.Skip("SKIPPED: no /dev/net/tun")
	}
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	out := says(t, p, fmt.Sprintf("curl -sS -m 5 http://%s:%d/; curl -sS -m 5 http://%s:%d/; curl -sS -m 5 http://169.254.169.254/; true",
		egress.HostName, port, egress.HostName, other.Listener.Addr().(*net.TCPAddr).Port))
	if !strings.Contains(out, "reached") || strings.Count(out, "Failed to connect") != 2 {
		t.Errorf("got %s", out)
	}
}

func TestErrorsOfStartsAreThoseOfTheSystem(t *testing.T) {
	s := open(t, isolated(t, nil), map[string]string{"it": ""})
	if err := os.Chmod(s.files[0], 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := s.Start(Command{Path: s.files[0], Stdout: &lines{}, Stderr: &lines{}})
	if !errors.Is(err, fs.ErrPermission) {
		t.Errorf("error %v, want one of permission", err)
	}
	_, err = s.Start(Command{Path: "/not/there", Stdout: &lines{}, Stderr: &lines{}})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want that it is not there", err)
	}
}
