package place

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// groupLeader makes the process the leader of a group of its own, to be killed
// with its children, and has the kernel kill it when the host dies.
func groupLeader() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// awaitExit waits until the process has ended and leaves it to be reaped. It
// tells whether it could.
func awaitExit(pid int) bool {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err == nil
		}
	}
}

// killGroup kills all processes of the group. An error means that there are none.
func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }
