package soak

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Leftovers is what the process has at a moment.
type Leftovers struct {
	Goroutines int `json:"goroutines"`
	// Files are what its descriptors are open on. Mounts are those that it sees.
	Files  []string `json:"files"`
	Mounts int      `json:"mounts"`
	// Processes are its descendants, by what they were started as.
	Processes []string `json:"processes"`
}

// now looks.
func now() Leftovers {
	l := Leftovers{Goroutines: runtime.NumGoroutine()}
	for _, p := range descendants() {
		l.Processes = append(l.Processes, p.name)
	}
	if mounts, err := os.ReadFile("/proc/self/mounts"); err == nil {
		l.Mounts = strings.Count(string(mounts), "\n")
	}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return l
	}
	for _, entry := range entries {
		// The descriptor that reads the folder is gone when its link is read.
		if to, err := os.Readlink(filepath.Join("/proc/self/fd", entry.Name())); err == nil {
			l.Files = append(l.Files, to)
		}
	}
	return l
}

// patience is how long what has ended may take to be gone: a goroutine that has
// nothing left to do but return, a process that is reaped.
const patience = 10 * time.Second

// settle looks until there is no more than before, or patience ends.
func settle(before Leftovers) Leftovers {
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		after := now()
		if len(after.since(before)) == 0 || time.Now().After(end) {
			return after
		}
	}
}

// since is what is there and was not before.
func (l Leftovers) since(before Leftovers) []string {
	var left []string
	if l.Goroutines > before.Goroutines {
		left = append(left, fmt.Sprintf("%d goroutines, %d before", l.Goroutines, before.Goroutines))
	}
	if l.Mounts > before.Mounts {
		left = append(left, fmt.Sprintf("%d mounts, %d before", l.Mounts, before.Mounts))
	}
	if len(l.Files) > len(before.Files) {
		var files []string
		for _, file := range l.Files {
			if !slices.Contains(before.Files, file) {
				files = append(files, file)
			}
		}
		left = append(left, fmt.Sprintf("%d open files, %d before: %s", len(l.Files), len(before.Files), strings.Join(files, ", ")))
	}
	if len(l.Processes) > len(before.Processes) {
		left = append(left, fmt.Sprintf("%d processes, %d before: %s", len(l.Processes), len(before.Processes), strings.Join(l.Processes, ", ")))
	}
	return left
}

// process is a descendant of this one.
type process struct {
	pid  int
	name string // the base name of what it was started as
}

// extensionProcesses are the descendants that are extensions of the soak.
func extensionProcesses() []process {
	return slices.DeleteFunc(descendants(), func(p process) bool { return !slices.Contains(extensionNames, p.name) })
}
