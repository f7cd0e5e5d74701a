//go:build unix && !linux

package publish

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func programPath() (string, error) { return os.Executable() }

// attributes make a group of the child. Nothing kills it with the host but the end
// of its input.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func killGroup(p *os.Process) error {
	err := unix.Kill(-p.Pid, unix.SIGKILL)
	if errors.Is(err, unix.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

// restrict limits the process itself, except for its memory.
func restrict(l Limits) error {
	cpu := uint64((l.CPUTime + time.Second - 1) / time.Second)
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("core dumps: %w", err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_CPU, &unix.Rlimit{Cur: cpu, Max: cpu + 2}); err != nil {
		return fmt.Errorf("CPU time: %w", err)
	}
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, l.Nice); err != nil {
		return fmt.Errorf("priority: %w", err)
	}
	return nil
}

func peakBytes() int64 { return 0 }

func closeInherited() {}
