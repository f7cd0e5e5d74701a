// Package bench measures Lambent on the reader's machine: what a cold start
// costs, what a warm invocation costs, and how far both are from the ceiling, a
// plain echo handler that answers the same bytes to the same client in the same
// run.
//
// A scenario is a Config struct and a Run function: [RunCold] and [RunLoad].
// [Run] plays them all in rounds and makes a [Report]; "lambent bench" and
// "go test -bench" call the same functions.
//
// # What the figures are, and are not
//
// Client and host share one process and its CPUs, over loopback and kept-alive
// connections: a host that has the machine to itself does better. Load is a
// closed loop: each worker sends its next request when it has the answer to the
// last, so a stall of the host also holds back the requests that would have met
// it, and the p99 is kinder than an open loop's. Latency is from before the
// request is sent until the body is read. The scenarios of a round follow each
// other, the next round has them in reverse, and a ratio is made within a round:
// what disturbs the machine for seconds disturbs both sides of it. Times are
// medians over rounds where a range is given with them.
//
// A cold request is the first one after an update of the function's
// configuration, which makes a new revision and so a new environment; that it
// was cold is read from the report line in its log. The compiled module is in
// memory, as it is on a host that has run the function before: cold is the new
// instance and its init, not the compilation, whose time is told apart.
//
// Read next: run.go for the order of things, cold.go and load.go for the
// scenarios, package host for what is measured.
package bench

import (
	"errors"
	"fmt"
	"runtime"
	"time"
)

// Config says how much is measured. It is bounded: see [Config.Validate].
type Config struct {
	// Rounds is how often all scenarios are run.
	Rounds int `json:"rounds"`
	// Requests is the number of requests of each warm and ceiling scenario in a round.
	Requests int `json:"requests"`
	// Cold is the number of cold requests in a round; each takes a tenth of a
	// second, most of it for the update before it.
	Cold int `json:"cold"`
	// Warmup is the number of requests that come before each warm and ceiling
	// scenario of a round; they are not measured.
	Warmup int `json:"warmup"`
	// Concurrency is the number of workers of the loaded scenarios. The others
	// have one.
	Concurrency int `json:"concurrency"`
	// Function is the guest: "json", an aws-lambda-go handler that decodes,
	// changes and encodes the payload; or "echo", which does next to nothing, so
	// that what is left is the host.
	Function string `json:"function"`
	// MemoryMB is the function's MemorySize.
	MemoryMB int `json:"memoryMB"`
	// Limit bounds the whole run, building and compiling included.
	Limit time.Duration `json:"limit"`
	// CompileCacheDir keeps compiled modules from run to run; "" compiles anew,
	// which takes some seconds and changes no figure but that of the compilation.
	CompileCacheDir string `json:"compileCacheDir,omitempty"`
}

// DefaultConfig takes about a minute.
func DefaultConfig() Config {
	return Config{
		Rounds:      5,
		Requests:    2000,
		Cold:        20,
		Warmup:      500,
		Concurrency: 4 * runtime.GOMAXPROCS(0),
		Function:    "json",
		MemoryMB:    128,
		Limit:       10 * time.Minute,
	}
}

// The largest values: each latency is kept, at eight bytes.
const (
	maxRounds      = 1_000
	maxRequests    = 1_000_000
	maxConcurrency = 512 // below the host's limit of concurrent invocations
)

// Validate lists every fault at once, each naming its field.
func (c Config) Validate() error {
	var faults []error
	within := func(field string, value, lowest, highest int) {
		if value < lowest || value > highest {
			faults = append(faults, fmt.Errorf("%s: %d is not between %d and %d", field, value, lowest, highest))
		}
	}
	within("Rounds", c.Rounds, 1, maxRounds)
	within("Requests", c.Requests, 1, maxRequests)
	within("Cold", c.Cold, 1, maxRequests)
	within("Warmup", c.Warmup, 0, maxRequests)
	within("Concurrency", c.Concurrency, 1, maxConcurrency)
	if _, known := guests[c.Function]; !known {
		faults = append(faults, fmt.Errorf("field Function: %q is not one of json, echo", c.Function))
	}
	within("MemoryMB", c.MemoryMB, 128, 10240)
	if c.Limit <= 0 {
		faults = append(faults, fmt.Errorf("field Limit: %v is not positive", c.Limit))
	}
	if len(faults) == 0 && c.Rounds*max(c.Requests, c.Cold) > maxRequests {
		faults = append(faults, fmt.Errorf("fields Rounds x Requests: more than %d", maxRequests))
	}
	return errors.Join(faults...)
}
