// Package hog measures what a quiet tenant notices of others that take all the CPU
// they can get: its warm latency over HTTP with none, one, and very many guests
// that spin, each an environment of a function of its own tenant.
//
// Requests come at a fixed rate, one at a time, and latency counts from when a
// request was due: one that had to wait for the one before is not flattered. The
// garbage collector's pauses are those of the whole process, as the Go runtime
// tells them.
//
// Read next: run.go, and package sandbox/cpu, which decides who runs.
package hog

import (
	"errors"
	"fmt"
	"time"

	"github.com/lambent-host/lambent/host"
)

// Config says what is measured.
type Config struct {
	// Spinners is how many guests spin; each number is measured by itself.
	Spinners []int `json:"spinners"`
	// Quota is the host's Config.CPUQuota.
	Quota string `json:"quota"`
	// Interval is the time between two requests of the quiet tenant.
	Interval time.Duration `json:"interval"`
	// Settle is how long spinners run before anything is measured: hundreds of
	// cold starts at once are another scenario.
	Settle time.Duration `json:"settle"`
	// Duration is how long is measured.
	Duration time.Duration `json:"duration"`
	// MemoryMB is the MemorySize of all functions.
	MemoryMB int `json:"memoryMB"`
	// Limit bounds the whole run, building and compiling included.
	Limit time.Duration `json:"limit"`
}

// DefaultConfig takes a minute and a half.
func DefaultConfig() Config {
	return Config{
		Spinners: []int{0, 1, 500}, Quota: host.QuotaOff, Interval: 10 * time.Millisecond,
		Settle: 15 * time.Second, Duration: 10 * time.Second, MemoryMB: 128, Limit: 10 * time.Minute,
	}
}

// Validate lists every fault at once, each naming its field.
func (c Config) Validate() error {
	var faults []error
	if len(c.Spinners) == 0 {
		faults = append(faults, errors.New("field Spinners: there must be one number at least"))
	}
	for _, n := range c.Spinners {
		if n < 0 || n > 900 { // a host runs 1000 at a time
			faults = append(faults, fmt.Errorf("field Spinners: %d is not between 0 and 900", n))
		}
	}
	if c.Quota != host.QuotaOff && c.Quota != host.QuotaLambda {
		faults = append(faults, fmt.Errorf("field Quota: %q is not one of %s, %s", c.Quota, host.QuotaLambda, host.QuotaOff))
	}
	if c.Interval < time.Millisecond || c.Interval > time.Second {
		faults = append(faults, fmt.Errorf("field Interval: %v is not between 1ms and 1s", c.Interval))
	}
	if c.Settle < 0 || c.Settle > time.Minute {
		faults = append(faults, fmt.Errorf("field Settle: %v is not between 0s and 1m", c.Settle))
	}
	if c.Duration < c.Interval || c.Duration > 5*time.Minute {
		faults = append(faults, fmt.Errorf("field Duration: %v is not between the interval and 5m", c.Duration))
	}
	if c.MemoryMB < 128 || c.MemoryMB > 10240 {
		faults = append(faults, fmt.Errorf("field MemoryMB: %d is not between 128 and 10240", c.MemoryMB))
	}
	if c.Limit <= 0 {
		faults = append(faults, fmt.Errorf("field Limit: %v is not positive", c.Limit))
	}
	return errors.Join(faults...)
}
