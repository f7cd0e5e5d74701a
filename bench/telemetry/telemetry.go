// Package telemetry measures what telemetry costs: the throughput of warm
// invocations with no subscriber, one, ten, and one that hangs; how fast events go
// through the bus and over HTTP, beside a plain net/http POST of the same batches;
// and what an invocation allocates for telemetry that nobody reads.
//
// Subscribers are processes of their own (package subscriber below), on a host of
// their own for each way to subscribe. All hosts stand throughout, and each round
// loads one after the other: what is compared was measured within seconds. Clients
// and subscribers share the machine with the host.
//
// Read next: run.go, then delivery.go and allocations.go; package extensions is
// what delivers.
package telemetry

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Config says what is measured.
type Config struct {
	// Function is json or echo, in the folder functions.
	Function string `json:"function"`
	// Rounds is how often each way to subscribe is loaded.
	Rounds int `json:"rounds"`
	// Requests are sent in each round to each host, by Concurrency workers.
	Requests    int `json:"requests"`
	Concurrency int `json:"concurrency"`
	// Many is how many subscribers "many" are; an environment takes ten extensions.
	Many int `json:"many"`
	// Events go through the bus, and over HTTP.
	Events int `json:"events"`
	// Limit bounds the whole run, building and compiling included.
	Limit time.Duration `json:"limit"`
}

// DefaultConfig takes two minutes.
func DefaultConfig() Config {
	return Config{Function: "json", Rounds: 7, Requests: 3000, Concurrency: 2, Many: 10, Events: 400_000, Limit: 10 * time.Minute}
}

// Validate lists every fault at once, each naming its field.
func (c Config) Validate() error {
	var faults []error
	if !slices.Contains([]string{"json", "echo"}, c.Function) {
		faults = append(faults, fmt.Errorf("field Function: %q is neither json nor echo", c.Function))
	}
	for _, bound := range []struct {
		name         string
		value        int
		least, limit int
	}{
		{"Rounds", c.Rounds, 1, 100},
		{"Requests", c.Requests, 10, 1_000_000},
		{"Concurrency", c.Concurrency, 1, 64},
		{"Many", c.Many, 2, 10},
		{"Events", c.Events, 1000, 100_000_000},
	} {
		if bound.value < bound.least || bound.value > bound.limit {
			faults = append(faults, fmt.Errorf("field %s: %d is not between %d and %d", bound.name, bound.value, bound.least, bound.limit))
		}
	}
	if c.Limit <= 0 {
		faults = append(faults, fmt.Errorf("field Limit: %v is not positive", c.Limit))
	}
	return errors.Join(faults...)
}
