package place

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// daemons leaves children behind in every way there is: in its group, in a session of
// its own, and forked twice. Each of them runs sleep for as many seconds as it is told,
// and the extension goes on when all five do.
const daemons = `sleep %[1]d & setsid sleep %[1]d & (setsid sh -c 'sleep %[1]d & sleep %[1]d' >/dev/null 2>&1 &); nohup sleep %[1]d >/dev/null 2>&1 &
while [ $(pgrep -fc '^sleep %[1]d') -lt 5 ]; do :; done
`

// mark is how long the sleepers of a test sleep, in seconds: by that they are told from
// those of other tests and of other runs of them.
func mark(test int) int { return 1_000_000 + 10*os.Getpid() + test }

// sleepers counts them.
func sleepers(t *testing.T, seconds int) int {
	return running(t, fmt.Sprintf("sleep\x00%d\x00", seconds))
}

// TestClosingEndsDaemons: whatever an extension leaves behind, however it ended.
func TestClosingEndsDaemons(t *testing.T) {
	mark := mark(1)
	for name, rest := range map[string]string{"running": "echo ready; wait", "ended": "echo ready"} {
		t.Run(name, func(t *testing.T) {
			s := open(t, isolated(t, nil), map[string]string{"it": fmt.Sprintf(daemons, mark) + rest})
			process, out := s.start("it")
			out.await(t, "ready")
			if name == "ended" {
				if status := process.Wait(); status != "exit status 0" {
					t.Errorf("ended with %s", status)
				}
				if n := sleepers(t, mark); n != 3 { // those of its group have ended with it
					t.Errorf("%d are left of an extension that has ended, want 3", n)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if n := sleepers(t, mark); n != 0 { // at once: closing waits
				t.Errorf("%d are left", n)
			}
			if status := process.Wait(); name == "running" && status != "signal: killed" {
				t.Errorf("ended with %s", status)
			}
		})
	}
}

// TestKillingEndsTheGroup: an extension that is killed takes its own children along,
// and no other.
func TestKillingEndsTheGroup(t *testing.T) {
	mine, others := mark(2), mark(3)
	s := open(t, isolated(t, nil), map[string]string{
		"it":    fmt.Sprintf("sleep %d & echo ready; wait", mine),
		"other": fmt.Sprintf("sleep %d & echo ready; wait", others),
	})
	process, out := s.start("it")
	out.await(t, "ready")
	_, said := s.start("other")
	said.await(t, "ready")
	eventually(t, "sleepers", func() bool { return sleepers(t, mine) == 1 && sleepers(t, others) == 1 })
	process.Kill()
	if status := process.Wait(); status != "signal: killed" {
		t.Errorf("ended with %s", status)
	}
	eventually(t, "end of its child", func() bool { return sleepers(t, mine) == 0 })
	if n := sleepers(t, others); n != 1 {
		t.Errorf("%d of the other's run", n)
	}
	process.Kill() // of what has ended: nothing
}

func TestStatusesAreTold(t *testing.T) {
	s := open(t, isolated(t, nil), map[string]string{"three": "echo bye; exit 3", "term": "kill -TERM $$", "abort": "kill -ABRT $$"})
	for name, want := range map[string]string{"three": "exit status 3", "term": "signal: terminated", "abort": "signal: aborted"} {
		process, out := s.start(name)
		if status := process.Wait(); status != want {
			t.Errorf("%s ended with %q, want %q", name, status, want)
		}
		if name == "three" && out.String() != "bye\n" {
			t.Errorf("wrote %q", out)
		}
	}
}

// TestOutputIsReadWhole: of a process that ends at once after writing much, and of one
// whose child goes on holding the pipe.
func TestOutputIsReadWhole(t *testing.T) {
	s := open(t, isolated(t, nil), map[string]string{
		"much":  "head -c 3000000 /dev/zero",
		"child": fmt.Sprintf("setsid sleep %d & echo said", mark(4)),
	})
	process, out := s.start("much")
	process.Wait()
	if n := len(out.String()); n != 3000000 {
		t.Errorf("%d bytes were read", n)
	}
	process, out = s.start("child")
	began := time.Now()
	process.Wait()
	if out.String() != "said\n" || time.Since(began) > limit/2 {
		t.Errorf("read %q in %s", out, time.Since(began))
	}
}

// TestSignalsToTheKeeperDoNothing: from inside, where it is the first process.
func TestSignalsToTheKeeperDoNothing(t *testing.T) {
	s := open(t, isolated(t, nil), map[string]string{
		"it":    "for signal in HUP INT QUIT TERM USR1 KILL STOP SEGV ABRT; do kill -$signal 1; done 2>/dev/null; true",
		"after": "echo alive",
	})
	process, _ := s.start("it")
	process.Wait()
	process, out := s.start("after")
	if status := process.Wait(); out.String() != "alive\n" {
		t.Errorf("then it ended with %s and said %q", status, out)
	}
}

// TestAKeeperThatDiesIsTheEndOfItsProcesses, and of nothing else.
func TestAKeeperThatDiesIsTheEndOfItsProcesses(t *testing.T) {
	mark := mark(5)
	s := open(t, isolated(t, nil), map[string]string{"it": fmt.Sprintf(daemons, mark) + "echo ready; wait"})
	process, out := s.start("it")
	out.await(t, "ready")
	if err := syscall.Kill(s.Room.(*namespace).keeper.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if status := process.Wait(); status != "signal: killed" {
		t.Errorf("ended with %s", status)
	}
	if n := sleepers(t, mark); n != 0 {
		t.Errorf("%d are left", n)
	}
	if _, err := s.Start(Command{Path: s.files[0], Stdout: out, Stderr: out}); err == nil {
		t.Error("a process was started by nobody")
	}
	if _, err := s.Dial(t.Context(), 1); err == nil {
		t.Error("a port was dialled by nobody")
	}
}

// asHost is set in a process of this program that a test ends as no host should be.
const asHost = "LAMBENT_TEST_HOST"

// playRole opens rooms and waits for its end, if this is such a process.
func playRole() {
	text := os.Getenv(asHost)
	if text == "" {
		return
	}
	var files []string
	if err := json.Unmarshal([]byte(text), &files); err != nil {
		panic(err)
	}
	p, err := New(context.Background(), Config{Isolation: Full})
	if err != nil {
		panic(err)
	}
	for range 2 {
		room, _, err := p.Open(context.Background(), Environment{Extensions: files})
		if err != nil {
			panic(err)
		}
		if _, err := room.Start(Command{Path: files[0], Env: []string{"PATH=/usr/bin:/bin"}, Stdout: os.Stdout, Stderr: os.Stdout}); err != nil {
			panic(err)
		}
	}
	select {}
}

// TestAHostThatIsKilledLeavesNothing: no process, daemons and keepers included.
func TestAHostThatIsKilledLeavesNothing(t *testing.T) {
	isolated(t, nil)
	mark := mark(6)
	path := filepath.Join(t.TempDir(), "it")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+fmt.Sprintf(daemons, mark)+"echo ready; wait\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	files, err := json.Marshal([]string{path})
	if err != nil {
		t.Fatal(err)
	}
	host := exec.Command("/proc/self/exe")
	host.Env = append(os.Environ(), asHost+"="+string(files))
	said, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	ready := 0
	for scanner := bufio.NewScanner(said); ready < 2 && scanner.Scan(); {
		if scanner.Text() == "ready" {
			ready++
		}
	}
	keepers := children(t, host.Process.Pid)
	if len(keepers) != 2 {
		t.Errorf("the host has the children %v", keepers)
	}
	if err := host.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	host.Wait()
	eventually(t, "end of the daemons", func() bool { return sleepers(t, mark) == 0 })
	for _, pid := range keepers {
		eventually(t, "end of a keeper", func() bool { return !alive(pid) })
	}
}

// children are the processes that a process has started.
func children(t *testing.T, pid int) (all []int) {
	t.Helper()
	paths, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		text, _ := os.ReadFile(path)
		for _, word := range strings.Fields(string(text)) {
			var child int
			fmt.Sscan(word, &child)
			all = append(all, child)
		}
	}
	return all
}

// TestRoomsLeaveNothing: no file, thread or goroutine after many of them.
func TestRoomsLeaveNothing(t *testing.T) {
	p := isolated(t, nil)
	once := func() {
		s := &stay{t: t, tmp: t.TempDir()}
		path := script(t, "echo said; sleep 1000")
		room, listener, err := p.Open(t.Context(), Environment{Extensions: []string{path}, Tmp: s.tmp})
		if err != nil {
			t.Fatal(err)
		}
		out := &lines{}
		if _, err := room.Start(Command{Path: path, Env: []string{"PATH=/usr/bin:/bin"}, Stdout: out, Stderr: out}); err != nil {
			t.Fatal(err)
		}
		out.await(t, "said")
		if _, err := room.Dial(t.Context(), 1); err == nil {
			t.Error("dialled a port that nobody listens on")
		}
		listener.Close()
		if err := room.Close(); err != nil {
			t.Error(err)
		}
	}
	once()
	ignore := goleak.IgnoreCurrent()
	files := openFiles(t)
	for range 10 {
		once()
	}
	if err := goleak.Find(ignore); err != nil {
		t.Error(err)
	}
	if n := openFiles(t); n > files {
		t.Errorf("%d files are open, %d were", n, files)
	}
	if keepers := children(t, os.Getpid()); len(keepers) > 0 {
		t.Errorf("there are the children %v", keepers)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}
