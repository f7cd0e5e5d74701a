//go:build !linux

package cpu

import "time"

// threadTime is the wall's time: what a guest is kept from running counts as well.
func threadTime() time.Duration { return time.Since(start) }
