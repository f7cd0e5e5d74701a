package telemetry

import (
	"syscall"
	"time"
)

// cpuTime is what the process has used of the CPUs, its clients included and its
// extensions not.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
