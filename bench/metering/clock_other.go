//go:build !linux

package metering

import "time"

var started = time.Now()

// threadTime is wall time: this system's processor time of a thread is not read.
func threadTime() time.Duration { return time.Since(started) }
