// Package soak runs a host for a while with everything going wrong: functions that
// fail, trap, exit and run out of time, extensions that are killed from outside, and
// one that refuses every other batch. At the end it holds the host to account: every
// event that was published for a subscription was delivered or counted as lost, every
// function still answers, and no goroutine, file or process is left behind.
//
// The load is bounded: a rate, a number of workers, a duration. Nobody but this
// process's own children is killed.
//
// Read next: run.go, chaos.go for what goes wrong, leftovers.go for what is looked at
// before and after; package bench/telemetry has the extension.
package soak

import (
	"errors"
	"fmt"
	"time"
)

// Config says how long and how hard.
type Config struct {
	// Functions is how many there are.
	Functions int `json:"functions"`
	// Duration is how long they are invoked.
	Duration time.Duration `json:"duration"`
	// PerSecond is how many invocations begin in a second, on Workers connections; as
	// long as all of those wait for an answer, none does.
	PerSecond int `json:"perSecond"`
	Workers   int `json:"workers"`
	// KillEvery is the time between two kills of an extension, on average.
	KillEvery time.Duration `json:"killEvery"`
	// Seed makes the choices; the interleaving stays the machine's.
	Seed uint64 `json:"seed"`
	// Limit bounds the whole run, building and compiling included.
	Limit time.Duration `json:"limit"`
}

// DefaultConfig takes a minute and a half.
func DefaultConfig() Config {
	return Config{Functions: 20, Duration: time.Minute, PerSecond: 40, Workers: 16, KillEvery: time.Second, Seed: 1, Limit: 30 * time.Minute}
}

// Validate lists every fault at once, each naming its field.
func (c Config) Validate() error {
	var faults []error
	if c.Functions < 1 || c.Functions > 200 {
		faults = append(faults, fmt.Errorf("field Functions: %d is not between 1 and 200", c.Functions))
	}
	if c.Duration < time.Second || c.Duration > 24*time.Hour {
		faults = append(faults, fmt.Errorf("field Duration: %v is not between 1s and 24h", c.Duration))
	}
	if c.PerSecond < 1 || c.PerSecond > 10_000 {
		faults = append(faults, fmt.Errorf("field PerSecond: %d is not between 1 and 10000", c.PerSecond))
	}
	if c.Workers < 1 || c.Workers > 500 {
		faults = append(faults, fmt.Errorf("field Workers: %d is not between 1 and 500", c.Workers))
	}
	if c.KillEvery < 10*time.Millisecond {
		faults = append(faults, fmt.Errorf("field KillEvery: %v is less than 10ms", c.KillEvery))
	}
	if c.Limit <= c.Duration {
		faults = append(faults, fmt.Errorf("field Limit: %v is not longer than the duration", c.Limit))
	}
	return errors.Join(faults...)
}
