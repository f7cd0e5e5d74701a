//go:build !linux

package place

// playRole is for processes that there are only on Linux.
func playRole() {}
