//go:build !unix

package gobuild

import "os/exec"

// interruptible leaves cmd as it is: cancelling kills it.
func interruptible(*exec.Cmd) {}
