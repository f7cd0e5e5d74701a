//go:build linux

package publish

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lambent-host/lambent/sandbox/internal/wasmtest"
)

// memoryLimit is why there is none.
var memoryLimit error

// look runs f on a child that compiles, and ends it.
func look(t *testing.T, limits Limits, f func(t *testing.T, proc string)) {
	t.Helper()
	c := newChildren(t, limits)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	pids := make(chan int, 1)
	c.started = func(pid int) { pids <- pid }
	ended := make(chan error, 1)
	dir := t.TempDir()
	go func() {
		_, err := c.Prepare(ctx, wasmtest.SlowBomb(), dir)
		ended <- err
	}()
	defer func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
	}()
	proc := fmt.Sprintf("/proc/%d", <-pids)
	eventually(t, "compiling", func() bool { // the metered module is written before
		_, err := os.Stat(filepath.Join(dir, "module.wasm"))
		return err == nil
	})
	f(t, proc)
}

// A child has nothing of the host's: three pipes, no variable, no argument; and
// what is limited is limited.
func TestWhatAChildHas(t *testing.T) {
	inherited, err := unix.Open("/etc/passwd", unix.O_RDONLY, 0) // not closed on exec
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(inherited) }()
	t.Setenv("SECRET", "of the host")
	limits := Limits{MemoryBytes: 512 << 20, OpenFiles: 40, Nice: 15}
	look(t, limits, func(t *testing.T, proc string) {
		links, err := filepath.Glob(proc + "/fd/*")
		if err != nil || len(links) < 3 {
			t.Fatalf("%v, %v", links, err)
		}
		for _, link := range links {
			target, _ := os.Readlink(link)
			if !strings.HasPrefix(target, "pipe:") && !strings.HasPrefix(target, "anon_inode:") {
				t.Errorf("%s is open", target)
			}
		}
		for file, want := range map[string]string{"environ": marker + "=1\x00", "cmdline": "lambent: publishing\x00"} {
			if got, err := os.ReadFile(proc + "/" + file); err != nil || string(got) != want {
				t.Errorf("%s is %q, %v", file, got, err)
			}
		}
		set, err := os.ReadFile(proc + "/limits")
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{"Max core file size": "0", "Max open files": "40", "Max cpu time": "120"} {
			if got := limitOf(string(set), name); got != want {
				t.Errorf("%s is %s, want %s", name, got, want)
			}
		}
		data, err := strconv.Atoi(limitOf(string(set), "Max data size"))
		if err != nil || data < 512<<20 || data > (512+1024)<<20*memoryFactor {
			t.Errorf("Max data size is %d, %v", data, err)
		}
		for _, thread := range threadsOf(t, proc) {
			if nice := strings.Fields(thread)[16]; nice != "15" {
				t.Errorf("a thread has priority %s, want 15", nice)
			}
		}
	})
}

func limitOf(limits, name string) string {
	for line := range strings.Lines(limits) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			return strings.Fields(rest)[0]
		}
	}
	return ""
}

// threadsOf returns what follows the name in the stat file of each thread.
func threadsOf(t *testing.T, proc string) (stats []string) {
	t.Helper()
	tasks, err := filepath.Glob(proc + "/task/*/stat")
	if err != nil || len(tasks) == 0 {
		t.Fatalf("no threads: %v", err)
	}
	for _, task := range tasks {
		if stat, err := os.ReadFile(task); err == nil {
			_, rest, _ := strings.Cut(string(stat), ") ")
			stats = append(stats, rest)
		}
	}
	return stats
}

// hostMarker makes the test binary a host that publishes into the folder named.
const hostMarker = "LAMBENT_TEST_PUBLISHING_HOST"

func beHost(dir string) {
	self, err := os.Executable()
	if err == nil {
		err = os.Remove(self) // as an upgrade does
	}
	var c *Children
	if err == nil {
		c, err = New(Config{})
	}
	if err == nil {
		c.started = func(pid int) { fmt.Println("child", pid) }
		_, err = c.Prepare(context.Background(), wasmtest.SlowBomb(), dir)
	}
	fmt.Println("ended", err)
	os.Exit(1)
}

// A host whose program has been replaced still publishes, and when it is killed its
// children die.
func TestAChildDiesWithTheHost(t *testing.T) {
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	program := filepath.Join(t.TempDir(), "host")
	if err := os.WriteFile(program, self, 0o700); err != nil {
		t.Fatal(err)
	}
	host := exec.Command(program)
	host.Env = append(os.Environ(), hostMarker+"="+dir)
	out, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := startAfterFork(host); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	text, ok := strings.CutPrefix(strings.TrimSpace(line), "child ")
	pid, perr := strconv.Atoi(text)
	if !ok || errors.Join(err, perr) != nil {
		t.Fatalf("the host said %q, %v", line, err)
	}
	eventually(t, "compiling", func() bool {
		_, err := os.Stat(filepath.Join(dir, "module.wasm"))
		return err == nil
	})
	if !alive(pid) {
		t.Fatal("the child ended by itself")
	}
	if err := host.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = host.Wait()
	eventually(t, "the child's end", func() bool { return !alive(pid) })
}

// startAfterFork starts a program that was just written: until a process that was
// forked at that moment has run its own program, the file is busy.
func startAfterFork(cmd *exec.Cmd) error {
	for range 100 {
		err := cmd.Start()
		if !errors.Is(err, syscall.ETXTBSY) {
			return err
		}
		*cmd = exec.Cmd{Path: cmd.Path, Args: cmd.Args, Env: cmd.Env, Stdout: cmd.Stdout}
	}
	return syscall.ETXTBSY
}
