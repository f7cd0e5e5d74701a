package place

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// nobody is a user without rights.
const nobody = 65534

// TestWithoutPrivileges runs the tests of this package again as a user without rights,
// to whom user namespaces give what they need.
func TestWithoutPrivileges(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: the other tests run without privileges already")
	}
	again := exec.Command("/proc/self/exe", "-test.v", "-test.run=^Test([^W]|Wh|TheW)", "-test.timeout=2m")
	again.Dir = "/"
	again.Env = append(os.Environ(), "HOME=/", "TMPDIR=/tmp")
	again.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := again.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if strings.Contains(string(out), "makes no namespaces") {
		t.Skip("SKIPPED: this machine gives user namespaces to nobody")
	}
	for _, name := range []string{"TestTwoEnvironmentsListenOnOnePort", "TestAnExtensionSeesItsOwnFiles", "TestRightsAreNotGained", "TestClosingEndsDaemons", "TestAHostThatIsKilledLeavesNothing", "TestLimitsHold"} {
		if !strings.Contains(string(out), "--- PASS: "+name+" ") {
			t.Errorf("%s did not pass", name)
		}
	}
}

// TestRootMayUseUserNamespacesToo: the processes have no right there either.
func TestRootMayUseUserNamespacesToo(t *testing.T) {
	cfg := Config{Isolation: Full}
	cfg.Limits = withDefaults(cfg.Limits)
	n := &namespaces{cfg: cfg, ownUser: true}
	skipWithoutNamespaces(t)
	if err := n.tryOnce(t.Context()); err != nil && os.Geteuid() == 0 {
		t.Skipf("SKIPPED: this machine has no user namespaces: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	if got := says(t, n, `id -u; id -un; grep CapEff /proc/self/status; unshare -m true 2>/dev/null && echo mounts; true`); got != "993\nsbx_user1051\nCapEff:\t0000000000000000\n" {
		t.Errorf("it is %q", got)
	}
}
