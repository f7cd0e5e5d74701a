// Package snapshots measures how long it takes from nothing to a handler that is
// entered: by instantiating and initialising a function, and by restoring it from a
// snapshot, with a seat ready and with none; and beside it a warm invocation, and
// one that starts with a reset, as `isolation: request` has it.
//
// All kinds run in turns in one process, so that their ratios hold on a noisy
// machine. The handlers (package guests) say themselves when they are entered. The
// snapshot is taken right after init: no invocation has warmed it up, unless
// Config.WarmUp says so.
//
// A seat is what an instance runs on (package sandbox): the host makes some ahead
// of time. What they cost, and what a burst pays that is larger than their number,
// is measured too: its instances are all held inside their handlers at once, so
// that none can have the seat of another.
//
// Read next: run.go, burst.go, then package sandbox.
package snapshots

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lambent-host/lambent/sandbox"
)

// Config says what is measured, and how often.
type Config struct {
	// Rounds is how often each kind is measured.
	Rounds int `json:"rounds"`
	// Languages are those of the handlers: "go", "c".
	Languages []string `json:"languages"`
	// MemoryMB is the memory size of the functions.
	MemoryMB int `json:"memoryMB"`
	// Seats are made ahead of time, Burst instances more than that are entered at
	// once.
	Seats int `json:"seats"`
	Burst int `json:"burst"`
	// WarmUp is how often the handler is invoked before the snapshot is taken. The
	// host does not do that; it tells how much of a first invocation is the guest's.
	WarmUp int `json:"warmUp"`
	// CacheDir is where compiled handlers are kept; "" compiles them, which takes
	// seconds.
	CacheDir string `json:"cacheDir,omitempty"`
	// Limit bounds the whole run, building and compiling included.
	Limit time.Duration `json:"limit"`
}

// DefaultConfig takes some seconds beside building and compiling.
func DefaultConfig() Config {
	return Config{Rounds: 500, Languages: []string{"go", "c"}, MemoryMB: 128, Seats: 32, Burst: 32, Limit: 15 * time.Minute}
}

// Validate lists every fault at once, each naming its field.
func (c Config) Validate() error {
	var faults []error
	between := func(field string, value, least, most int) {
		if value < least || value > most {
			faults = append(faults, fmt.Errorf("field %s: %d is not between %d and %d", field, value, least, most))
		}
	}
	between("Rounds", c.Rounds, 1, 1_000_000)
	between("MemoryMB", c.MemoryMB, 16, 4096)
	between("Seats", c.Seats, 1, sandbox.MaxPrepared)
	between("Burst", c.Burst, 1, 1000)
	between("WarmUp", c.WarmUp, 0, 1000)
	if len(c.Languages) == 0 {
		faults = append(faults, errors.New("field Languages: there is none"))
	}
	for _, l := range c.Languages {
		if !slices.Contains([]string{"go", "c"}, l) {
			faults = append(faults, fmt.Errorf("field Languages: %q is not one of go, c", l))
		}
	}
	if c.Limit <= 0 {
		faults = append(faults, fmt.Errorf("field Limit: %v is not positive", c.Limit))
	}
	return errors.Join(faults...)
}
