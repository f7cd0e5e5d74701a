//go:build unix && !linux

package place

import "syscall"

// groupLeader makes the process the leader of a group of its own, to be killed
// with its children. Only Linux can tie its life to the host's.
func groupLeader() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// awaitExit cannot wait without reaping here.
func awaitExit(int) bool { return false }

// killGroup kills all processes of the group.
func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }
