// Package metering measures what metering costs: kernels run plain, metered as the
// sandbox does it, and under the engine's own way to interrupt a guest, in turns.
//
// A ratio is made of two runs that follow each other: what disturbs the machine for
// seconds disturbs both. Times are the processor time of the thread where the
// system tells it, and wall time elsewhere. Of a kernel the report has the median
// of the rounds' ratios with their range; over the kernels the geometric mean of
// the medians, without the worst case (a loop that does nothing).
//
// Other engines can be measured beside wazero: whatever implements [Engine] is
// passed to [Run]. Those that need cgo live in the module bench/peers.
//
// Read next: run.go, wazero.go, package kernels.
package metering

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lambent-host/lambent/bench/kernels"
)

// Engine is a way to run a module.
type Engine interface {
	// Name is the column's in the report.
	Name() string
	// Base names the engine that this one's ratio is made to; its own name for none.
	Base() string
	// Load makes an instance of a module whose only imports are WASI's, and runs
	// its _initialize if there is one. Whoever has the instance owes a Close.
	Load(ctx context.Context, wasm []byte) (Instance, error)
}

// Instance is a loaded module; it is called from one thread.
type Instance interface {
	// Call calls an export (i32) -> i32.
	Call(name string, n uint64) (uint64, error)
	Close() error
}

// Config says what is measured, and how often.
type Config struct {
	// Rounds is how often each kernel is run in each engine.
	Rounds int `json:"rounds"`
	// Scale multiplies the work of a run, which takes some ten milliseconds.
	Scale float64 `json:"scale"`
	// Language keeps the kernels of one language, "c" or "go"; "" all.
	Language string `json:"language,omitempty"`
	// Only keeps the kernels of these names; none means all.
	Only []string `json:"only,omitempty"`
	// Limit bounds the whole run, building and compiling included.
	Limit time.Duration `json:"limit"`
}

// DefaultConfig takes about a minute.
func DefaultConfig() Config { return Config{Rounds: 15, Scale: 1, Limit: 15 * time.Minute} }

// Validate lists every fault at once, each naming its field.
func (c Config) Validate() error {
	var faults []error
	if c.Rounds < 1 || c.Rounds > 1000 {
		faults = append(faults, fmt.Errorf("field Rounds: %d is not between 1 and 1000", c.Rounds))
	}
	if !(c.Scale >= 0.001 && c.Scale <= 1000) {
		faults = append(faults, fmt.Errorf("field Scale: %v is not between 0.001 and 1000", c.Scale))
	}
	if c.Language != "" && c.Language != "c" && c.Language != "go" {
		faults = append(faults, fmt.Errorf("field Language: %q is not one of c, go", c.Language))
	}
	if c.Limit <= 0 {
		faults = append(faults, fmt.Errorf("field Limit: %v is not positive", c.Limit))
	}
	if len(faults) == 0 && len(c.kernels()) == 0 {
		faults = append(faults, errors.New("field Only: no kernel has one of the names"))
	}
	return errors.Join(faults...)
}

func (c Config) kernels() []kernels.Kernel {
	return slices.DeleteFunc(slices.Clone(kernels.All), func(k kernels.Kernel) bool {
		return (c.Language != "" && k.Language != c.Language) || (len(c.Only) > 0 && !slices.Contains(c.Only, k.Name))
	})
}
