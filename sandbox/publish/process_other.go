//go:build !unix

package publish

import (
	"os"
	"syscall"
)

func programPath() (string, error) { return os.Executable() }

func attributes() *syscall.SysProcAttr { return nil }

func killGroup(p *os.Process) error { return p.Kill() }

// restrict limits nothing here but what the garbage collector aims at; time is
// bounded from outside.
func restrict(Limits) error { return nil }

func peakBytes() int64 { return 0 }

func closeInherited() {}
