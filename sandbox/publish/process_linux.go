package publish

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// programPath names the running program itself, which may have been replaced or
// deleted on disk.
func programPath() (string, error) {
	const self = "/proc/self/exe"
	if _, err := os.Stat(self); err == nil {
		return self, nil
	}
	return os.Executable()
}

// attributes make a group of the child, so that it can be limited and killed as a
// whole, and have it die with the host.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

func killGroup(p *os.Process) error {
	err := unix.Kill(-p.Pid, unix.SIGKILL)
	if errors.Is(err, unix.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

// restrict limits the process itself.
func restrict(l Limits) error {
	data, err := dataBytes()
	if err != nil {
		return err
	}
	cpu := uint64((l.CPUTime + time.Second - 1) / time.Second)
	for _, r := range []struct {
		name       string
		resource   int
		soft, hard uint64
	}{
		{"core dumps", unix.RLIMIT_CORE, 0, 0},
		{"open files", unix.RLIMIT_NOFILE, uint64(l.OpenFiles), uint64(l.OpenFiles)},
		// At the first Go's runtime ends the process and says so, at the second the kernel does.
		{"CPU time", unix.RLIMIT_CPU, cpu, cpu + 2},
		// Unlike the address space (AS) this counts what can be written to, and not
		// what Go's runtime only reserves.
		{"memory", unix.RLIMIT_DATA, data + uint64(l.MemoryBytes)*memoryFactor, data + uint64(l.MemoryBytes)*memoryFactor},
	} {
		if err := unix.Setrlimit(r.resource, &unix.Rlimit{Cur: r.soft, Max: r.hard}); err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
	}
	// Of the group, because Linux has a priority for each thread.
	if err := unix.Setpriority(unix.PRIO_PGRP, 0, l.Nice); err != nil {
		return fmt.Errorf("priority: %w", err)
	}
	return nil
}

// dataBytes is what RLIMIT_DATA counts, and the stack.
func dataBytes() (uint64, error) {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(statm))
	if len(fields) < 6 {
		return 0, fmt.Errorf("/proc/self/statm has %d fields", len(fields))
	}
	pages, err := strconv.ParseUint(fields[5], 10, 64)
	return pages * uint64(os.Getpagesize()), err
}

// peakBytes is the most memory that was resident. The account that the system keeps
// for the parent begins with what the parent had.
func peakBytes() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
			if err == nil {
				return kb << 10
			}
		}
	}
	return 0
}

// closeInherited closes what the host was given without knowing. Go's own files are
// never inherited, and what is anonymous is Go's runtime's.
func closeInherited() {
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, f := range open {
		fd, err := strconv.Atoi(f.Name())
		if err != nil || fd < 3 {
			continue
		}
		if target, err := os.Readlink("/proc/self/fd/" + f.Name()); err == nil && !strings.HasPrefix(target, "anon_inode:") {
			_ = unix.Close(fd)
		}
	}
}
