package telemetry

import (
	"cmp"
	"context"
	"maps"
	"runtime"
	"slices"
	"strings"

	"github.com/lambent-host/lambent/bench"
)

// Allocation is a place that allocates for telemetry.
type Allocation struct {
	// Function is the innermost one of Lambent's own on the stack.
	Function string `json:"function"`
	// PerInvocation is how many objects.
	PerInvocation float64 `json:"perInvocation"`
}

// allocated is how many warm invocations are watched.
const allocated = 500

// allocations watches every allocation of the process during warm invocations of
// a host without subscribers, and returns those that were made on behalf of
// telemetry: with a function of package telemetry or extensions on the stack, or
// one that makes events of an invocation.
func (b *trial) allocations(ctx context.Context, st *stage) ([]Allocation, error) {
	cfg := bench.LoadConfig{
		URL: st.endpoint() + "/2015-03-31/functions/" + functionName + "/invocations", Payload: st.payload, Want: st.answer,
		Warmup: 50, Requests: allocated, Concurrency: 1,
	}
	rate := runtime.MemProfileRate
	defer func() { runtime.MemProfileRate = rate }()
	runtime.MemProfileRate = 1
	if _, err := bench.RunLoad(ctx, cfg); err != nil { // whatever is made once
		return nil, err
	}
	before := profile()
	if _, err := bench.RunLoad(ctx, cfg); err != nil {
		return nil, err
	}
	counts := map[string]int64{}
	for stack, objects := range profile() {
		if function, found := forTelemetry(stack); found {
			counts[function] += objects - before[stack]
		}
	}
	var all []Allocation
	for function, objects := range maps.All(counts) {
		if objects > 0 {
			all = append(all, Allocation{Function: function, PerInvocation: float64(objects) / float64(allocated+cfg.Warmup)})
		}
	}
	slices.SortFunc(all, func(a, b Allocation) int { return cmp.Compare(b.PerInvocation, a.PerInvocation) })
	return all, nil
}

// stack is that of an allocation.
type stack [32]uintptr

// profile is how many objects every stack has allocated until now.
func profile() map[stack]int64 {
	runtime.GC() // the profile is that of two collections ago
	runtime.GC()
	var records []runtime.MemProfileRecord
	for n, ok := 1000, false; !ok; n += 500 {
		records = make([]runtime.MemProfileRecord, n)
		n, ok = runtime.MemProfile(records, true)
		if ok {
			records = records[:n]
		}
	}
	objects := map[stack]int64{}
	for _, r := range records {
		objects[stack(r.Stack0)] += r.AllocObjects
	}
	return objects
}

// The packages that are telemetry's, and the files that make the events of an
// invocation.
var (
	telemetryPackages = []string{modulePath + "/telemetry.", modulePath + "/extensions.", modulePath + "/extensions/"}
	telemetryFiles    = []string{"host/environment/report.go", "host/environment/output.go"}
)

const modulePath = "github.com/lambent-host/lambent"

// forTelemetry tells whether something was allocated on behalf of telemetry, and by
// which of Lambent's functions.
func forTelemetry(s stack) (function string, found bool) {
	depth := slices.Index(s[:], 0)
	if depth < 0 {
		depth = len(s)
	}
	frames := runtime.CallersFrames(s[:depth])
	for more := depth > 0; more; {
		var frame runtime.Frame
		frame, more = frames.Next()
		if function == "" && strings.HasPrefix(frame.Function, modulePath) {
			function = strings.TrimPrefix(frame.Function, modulePath+"/")
		}
		found = found ||
			slices.ContainsFunc(telemetryPackages, func(p string) bool { return strings.HasPrefix(frame.Function, p) }) ||
			slices.ContainsFunc(telemetryFiles, func(f string) bool { return strings.HasSuffix(frame.File, f) })
	}
	return function, found
}
