package conformance

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// canSeeProcesses tells that this system shows what a process does.
const canSeeProcesses = true

// proc is a process of the extensions under test, or a child of one.
type proc struct {
	pid, parent, group int
	name               string
	zombie             bool
}

// processes finds what carries the mark in its environment, wherever it went: to
// another group, or to another parent. Zombies have no environment any more and
// count with their parents.
func processes(mark string) []proc {
	paths, _ := filepath.Glob("/proc/[0-9]*") // the pattern is good
	var found []proc
	marked := map[int]bool{}
	var zombies []proc
	for _, path := range paths {
		p, ok := readProcess(path)
		if !ok {
			continue
		}
		if p.zombie {
			zombies = append(zombies, p)
			continue
		}
		env, err := os.ReadFile(path + "/environ")
		if err == nil && hasVariable(env, mark) {
			found = append(found, p)
			marked[p.pid] = true
		}
	}
	for _, z := range zombies {
		if marked[z.parent] {
			found = append(found, z)
		}
	}
	return found
}

func hasVariable(env []byte, pair string) bool {
	for _, one := range bytes.Split(env, []byte{0}) {
		if string(one) == pair {
			return true
		}
	}
	return false
}

// readProcess reads /proc/PID/stat (proc(5)): the name stands in parentheses and
// may hold any character.
func readProcess(path string) (proc, bool) {
	stat, err := os.ReadFile(path + "/stat")
	if err != nil {
		return proc{}, false // it has ended
	}
	open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if open < 0 || end < open {
		return proc{}, false
	}
	fields := strings.Fields(string(stat[end+1:]))
	if len(fields) < 3 {
		return proc{}, false
	}
	pid, err := strconv.Atoi(filepath.Base(path))
	if err != nil {
		return proc{}, false
	}
	parent, _ := strconv.Atoi(fields[1])
	group, _ := strconv.Atoi(fields[2])
	state := fields[0]
	if state == "X" {
		return proc{}, false
	}
	return proc{pid: pid, parent: parent, group: group, name: string(stat[open+1 : end]), zombie: state == "Z"}, true
}

// residentKiB is the memory that the process has in RAM, of its own and of files.
func (p proc) residentKiB() int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return kib
		}
	}
	return 0
}

// descriptors is how many files the process has open.
func (p proc) descriptors() int {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.pid))
	if err != nil {
		return 0
	}
	return len(entries)
}

// signal sends SIGTERM.
func (p proc) terminate() error { return syscall.Kill(p.pid, syscall.SIGTERM) }

// kill ends the process.
func (p proc) kill() { _ = syscall.Kill(p.pid, syscall.SIGKILL) } // it may have ended
