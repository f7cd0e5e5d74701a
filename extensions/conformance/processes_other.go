//go:build !linux

package conformance

import "errors"

// canSeeProcesses tells that this system shows what a process does: only Linux
// does. The scenarios that look at processes are skipped.
const canSeeProcesses = false

// proc is a process of the extensions under test, or a child of one.
type proc struct {
	pid, parent, group int
	name               string
	zombie             bool
}

func processes(string) []proc { return nil }

func (proc) residentKiB() int64 { return 0 }

func (proc) descriptors() int { return 0 }

func (proc) terminate() error { return errors.ErrUnsupported }

func (proc) kill() {}
