// Package publishing measures what making a module ready costs: the child process
// that compiles it, the load of what that has left, and what a neighbour's warm
// invocations notice meanwhile.
//
// Read next: run.go, neighbour.go, package interpreters.
package publishing

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Config says what is measured, and how often.
type Config struct {
	// Rounds is how often each module is compiled and loaded.
	Rounds int `json:"rounds"`
	// Modules are of modules; the interpreters are fetched from npm.
	Modules []string `json:"modules"`
	// Neighbour is the module that is compiled beside a neighbour's invocations; ""
	// leaves that out.
	Neighbour string `json:"neighbour,omitempty"`
	// Limit bounds the whole run, building and fetching included.
	Limit time.Duration `json:"limit"`
}

// modules by name, in the order of a report.
var modules = []string{"c", "go", "cpython", "ruby"}

// DefaultConfig takes about three minutes.
func DefaultConfig() Config {
	return Config{Rounds: 3, Modules: slices.Clone(modules), Neighbour: "cpython", Limit: 20 * time.Minute}
}

// Validate lists every fault at once, each naming its field.
func (c Config) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if c.Rounds < 1 || c.Rounds > 100 {
		fault("field Rounds: %d is not between 1 and 100", c.Rounds)
	}
	for _, m := range c.Modules {
		if !slices.Contains(modules, m) {
			fault("field Modules: %q is not one of %q", m, modules)
		}
	}
	if c.Neighbour != "" && !slices.Contains(modules, c.Neighbour) {
		fault("field Neighbour: %q is not one of %q", c.Neighbour, modules)
	}
	if c.Limit <= 0 {
		fault("field Limit: %v is not positive", c.Limit)
	}
	return errors.Join(faults...)
}
