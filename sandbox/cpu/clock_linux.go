package cpu

import (
	"time"

	"golang.org/x/sys/unix"
)

// threadTime is the CPU time of the calling thread (clock_gettime(2),
// CLOCK_THREAD_CPUTIME_ID): what it was kept from running does not count.
func threadTime() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts) != nil {
		return time.Since(start)
	}
	return time.Duration(ts.Nano())
}
