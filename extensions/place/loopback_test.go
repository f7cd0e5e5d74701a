package place

import (
	"bytes"
	"context"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	ExitIfChild()
	playRole()
	goleak.VerifyTestMain(m)
}

// limit bounds every wait of a test.
const limit = 20 * time.Second

// lines is what processes wrote, for tests to wait on.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// await returns what was written once it contains something.
func (l *lines) await(t *testing.T, part string) string {
	t.Helper()
	var all string
	eventually(t, "output with "+part, func() bool {
		all = l.String()
		return strings.Contains(all, part)
	})
	return all
}

// eventually polls a condition.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !cond(); {
		if time.Now().After(end) {
			t.Fatalf("no %s within %s", what, limit)
		}
		pause := time.NewTimer(2 * time.Millisecond)
		<-pause.C
	}
}

func TestLoopbackIsTheMachineItself(t *testing.T) {
	room, listener, err := Loopback{}.Open(t.Context(), Environment{})
	if err != nil {
		t.Fatal(err)
	}
	defer room.Close()
	defer listener.Close()
	port := listener.Addr().(*net.TCPAddr).Port
	if addr := listener.Addr().(*net.TCPAddr); !addr.IP.Equal(net.IPv4(127, 0, 0, 1)) {
		t.Errorf("listens on %s, want 127.0.0.1", addr)
	}
	conn, err := room.Dial(t.Context(), port)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if conn, err := room.Dial(ctx, port); err == nil {
		conn.Close()
		t.Error("dialled although the context was done")
	}
	out := &lines{}
	p, err := room.Start(Command{Path: "/bin/ls", Env: nil, Stdout: out, Stderr: out})
	if err != nil {
		t.Fatal(err)
	}
	if status := p.Wait(); status != "exit status 0" {
		t.Errorf("ended with %q", status)
	}
	if !strings.Contains(out.String(), "proc\n") { // it runs in /
		t.Errorf("wrote %q", out)
	}
	if _, err := room.Start(Command{Path: "/no/such/file", Stdout: out, Stderr: out}); err == nil {
		t.Error("a file that is not there was started")
	}
}

func TestClosingARoomEndsWhatRuns(t *testing.T) {
	room, listener, err := Loopback{}.Open(t.Context(), Environment{})
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	out := &lines{}
	script := script(t, "sleep 1000 &\necho child $!\nwait")
	q, err := room.Start(Command{Path: script, Env: []string{"PATH=/usr/bin:/bin"}, Stdout: out, Stderr: out})
	if err != nil {
		t.Fatal(err)
	}
	child := number(t, out.await(t, "child "), "child ")
	if err := room.Close(); err != nil {
		t.Fatal(err)
	}
	if err := room.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
	if status := q.Wait(); status != "signal: killed" {
		t.Errorf("ended with %q", status)
	}
	eventually(t, "end of the child", func() bool { return !alive(child) })
	if _, err := room.Start(Command{Path: "/bin/ls", Stdout: out, Stderr: out}); err == nil {
		t.Error("a closed room starts processes")
	}
	q.Kill() // of what has ended: nothing
	if err := syscall.Kill(syscall.Getpid(), 0); err != nil {
		t.Error(err)
	}
}
