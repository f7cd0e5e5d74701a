package environment

import (
	"time"

	"github.com/lambent-host/lambent/telemetry"
)

// Report is how one Invoke phase went, for what counts and traces invocations: the
// figures of platform.report as they were measured, before they are rounded.
type Report struct {
	// Status is that of the phase: a function that reported an error did its job.
	Status telemetry.Status
	// ErrorType is the platform's word for a failure, "" where it has none.
	ErrorType string
	// Failed tells that the invocation failed: the function said so, or the phase did.
	Failed bool
	// Late tells that the phase failed when the function was done: the extensions did.
	Late bool
	// Began is when the phase began, Answered when the function was done, Ended when
	// the last extension was.
	Began, Answered, Ended time.Time
	// Extensions is how many extensions the phase waited for.
	Extensions int
	// Cold tells that it was the environment's first, Init how long its init took, or
	// its restore where Restored.
	Cold, Restored bool
	Init           time.Duration
	// Repeated tells that the phase began with an init, because the one before failed.
	Repeated bool
	// MaxMemory is the most linear memory that the environment had so far, in bytes.
	MaxMemory uint64
	// CPU is the CPU time of the invocation.
	CPU time.Duration
}

// told is the report of a phase that is over now.
func (e *environment) told(p *phase, late bool) Report {
	r := Report{
		Status: p.failure.status(), ErrorType: p.failure.errorType(),
		Failed: p.failure != nil || p.result.Error != nil, Late: late,
		Began: p.began, Answered: p.ended, Ended: time.Now(), Extensions: e.observers(),
		Cold: p.cold, Restored: e.snapshot != nil, Init: e.initDuration, Repeated: p.repeated,
		CPU: max(0, e.cpuTime()-p.cpu),
	}
	if r.Restored {
		r.Init = e.restored.phase
	}
	if e.instance != nil {
		r.MaxMemory = e.instance.MemoryBytes()
	}
	return r
}

// InitStatus is how the init or restore went, once the lease was acquired.
func (l *Lease) InitStatus() (telemetry.Status, string) {
	return l.env.initFailure.status(), l.env.initFailure.errorType()
}

// Instance names the environment as its log stream is named.
func (l *Lease) Instance() string { return l.env.stream.Source().LogStream }
