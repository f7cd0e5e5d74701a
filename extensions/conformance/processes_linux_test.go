package conformance

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// TestProcessesAreFound finds a process by its mark, its child in another
// session, and a zombie; and says what they use.
func TestProcessesAreFound(t *testing.T) {
	mark := "LAMBENT_TEST_MARK=" + t.Name()
	cmd := exec.Command("sh", "-c", `setsid sleep 1000 & true & exec sleep 1001`)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), mark}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	all := awaitProcesses(t, mark, 3)
	zombies := 0
	for _, p := range all {
		if p.zombie {
			zombies++
			continue
		}
		defer p.kill()
		if p.residentKiB() == 0 || p.descriptors() < 3 || !strings.HasPrefix(p.name, "s") {
			t.Errorf("%+v: %d KiB, %d files", p, p.residentKiB(), p.descriptors())
		}
	}
	if zombies != 1 {
		t.Errorf("%d zombies in %+v", zombies, all)
	}
	if got := processes(mark + "x"); len(got) > 0 {
		t.Errorf("found by another mark: %+v", got)
	}
	for _, p := range all {
		p.kill()
	}
	_ = cmd.Wait() // it was killed
	awaitProcesses(t, mark, 0)
	gone := proc{pid: cmd.Process.Pid}
	if gone.residentKiB() != 0 || gone.descriptors() != 0 || gone.terminate() == nil {
		t.Error("what has ended uses something")
	}
	if _, ok := readProcess("/proc/" + strconv.Itoa(gone.pid)); ok {
		t.Error("what has ended can be read")
	}
}
