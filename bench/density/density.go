// Package density measures how much memory idle environments of one function take:
// instances restored from one snapshot, before and after each has answered an
// invocation. It reads what the system says of its own process, on Linux.
//
// Between measurements the Go heap is collected and given back, so that what is
// counted is what has to stay. Every instance is asked once more at the end, and
// has to have gone on from where it was.
//
// Read next: run.go, then package sandbox, parked.go.
package density

import (
	"errors"
	"fmt"
	"time"
)

// Config says what is measured.
type Config struct {
	// Environments are how many there are, one measurement each.
	Environments []int `json:"environments"`
	// Language is the handler's, "go" or "c".
	Language string `json:"language"`
	// MemoryMB is the memory size of the function.
	MemoryMB int `json:"memoryMB"`
	// CacheDir is where the compiled handler is kept; "" compiles it, which takes
	// seconds.
	CacheDir string `json:"cacheDir,omitempty"`
	// Limit bounds the whole run, building and compiling included.
	Limit time.Duration `json:"limit"`
}

// DefaultConfig goes up to ten thousand environments of a Go handler.
func DefaultConfig() Config {
	return Config{Environments: []int{1, 100, 1000, 10000}, Language: "go", MemoryMB: 128, Limit: 15 * time.Minute}
}

// Validate lists every fault at once, each naming its field.
func (c Config) Validate() error {
	var faults []error
	if len(c.Environments) == 0 {
		faults = append(faults, errors.New("field Environments: there is none"))
	}
	for _, n := range c.Environments {
		if n < 1 || n > 1_000_000 {
			faults = append(faults, fmt.Errorf("field Environments: %d is not between 1 and 1000000", n))
		}
	}
	if c.Language != "go" && c.Language != "c" {
		faults = append(faults, fmt.Errorf("field Language: %q is not one of go, c", c.Language))
	}
	if c.MemoryMB < 16 || c.MemoryMB > 4096 {
		faults = append(faults, fmt.Errorf("field MemoryMB: %d is not between 16 and 4096", c.MemoryMB))
	}
	if c.Limit <= 0 {
		faults = append(faults, fmt.Errorf("field Limit: %v is not positive", c.Limit))
	}
	return errors.Join(faults...)
}
