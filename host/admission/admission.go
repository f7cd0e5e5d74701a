// Package admission decides whether an invocation may run now: it counts the
// invocations that are running and refuses one too many with Lambda's reason.
//
// It only counts. Execution environments, which an admitted invocation runs in,
// belong to package environment. Read next: that package.
package admission

import (
	"fmt"
	"sync"
	"time"
)

// Reasons of a refusal, from TooManyRequestsException of the Lambda API.
const (
	// ReasonAccount: the account's concurrency limit is used up.
	ReasonAccount = "ConcurrentInvocationLimitExceeded"
)

// ThrottledError refuses an invocation that may be tried again.
type ThrottledError struct {
	// Reason is one of the Reason constants.
	Reason string
	// RetryAfter is how long the caller should wait; 0 when nothing is known.
	RetryAfter time.Duration
}

// Error tells the reason.
func (e *ThrottledError) Error() string {
	return fmt.Sprintf("invocation refused: %s", e.Reason)
}

// Throttled marks the error for packages that must not know this one.
func (e *ThrottledError) Throttled() bool { return true }

// Admission holds the counts. It is safe for concurrent use and starts no
// goroutine.
type Admission struct {
	limit int

	mu      sync.Mutex
	running int
}

// New returns an Admission that lets at most limit invocations run at a time
// (Lambda's account limit is 1000). A limit below one is a programming error.
func New(limit int) *Admission {
	if limit < 1 {
		panic(fmt.Sprintf("admission: limit %d is below 1", limit))
	}
	return &Admission{limit: limit}
}

// Admit counts one invocation in. The caller owes exactly one call of release,
// further calls do nothing. Beyond the limit the error is a *ThrottledError.
func (a *Admission) Admit() (release func(), err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.running >= a.limit {
		return nil, &ThrottledError{Reason: ReasonAccount, RetryAfter: time.Second}
	}
	a.running++
	return sync.OnceFunc(a.release), nil
}

func (a *Admission) release() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.running--
}

// Running returns how many invocations are counted in at this moment.
func (a *Admission) Running() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.running
}
