//go:build unix

package gobuild

import (
	"os/exec"
	"syscall"
)

// interruptible makes cancelling cmd interrupt the go command together with its
// compilers, as Ctrl-C on a terminal does: none is left that goes on working,
// or writing to a temporary folder which is about to be removed.
func interruptible(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
}
