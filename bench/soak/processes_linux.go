package soak

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// descendants are the processes below this one, whatever namespaces they are in.
func descendants() []process {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	parents, names := map[int]int{}, map[int]string{}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		parent, alive := parentOf(pid)
		if !alive {
			continue
		}
		command, _ := os.ReadFile(filepath.Join("/proc", entry.Name(), "cmdline")) // it may be gone
		first, _, _ := bytes.Cut(command, []byte{0})
		parents[pid], names[pid] = parent, filepath.Base(string(first))
	}
	var all []process
	for pid := range parents {
		for up := parents[pid]; up > 1; up = parents[up] {
			if up == os.Getpid() {
				all = append(all, process{pid: pid, name: names[pid]})
				break
			}
		}
	}
	return all
}

// parentOf reads a process's parent. One that waits to be reaped counts as alive: it
// is something that was left behind.
func parentOf(pid int) (parent int, alive bool) {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, false
	}
	// The second field is a name in parentheses and may hold anything.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 2 {
		return 0, false
	}
	parent, err = strconv.Atoi(fields[1])
	return parent, err == nil
}

// killProcess ends a descendant with SIGKILL, and tells whether there was one.
func killProcess(p process) bool { return syscall.Kill(p.pid, syscall.SIGKILL) == nil }
