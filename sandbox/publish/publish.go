// Package publish prepares modules in child processes, so that a hostile one can
// exhaust or end a compiler and never the host. A child is the same program, run
// again: main calls [ExitIfChild] before anything else, and in a child that is all
// that happens.
//
// A child gets the module by a pipe and leaves what it has made in a folder
// (sandbox.Prepare). It has no open file, no environment and no argument of the
// host's, a bounded memory, CPU time and life, a low priority, and all processors.
// It dies with the host and with the context. On systems other than Linux the
// memory limit is only what the garbage collector aims at.
//
// Whatever a child dies of is the module's fault, as far as it can be told: a
// limit, or a compiler that failed. What the module cannot have caused (no process,
// no disk, a kill from outside) is the host's.
//
// The package starts no goroutine that outlives the call. Read next: child.go for
// the other side, verdict.go for what is made of an end, then package meter.
package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/lambent-host/lambent/sandbox"
)

// Limits bound one child. A field that is zero takes its value from
// [DefaultLimits].
type Limits struct {
	// MemoryBytes is how much memory a child may take beyond what the program has
	// when it starts.
	MemoryBytes int64
	// CPUTime is what it may use on all processors together, WallTime how long it
	// may take.
	CPUTime, WallTime time.Duration
	// OpenFiles is how many files it may have open.
	OpenFiles int
	// Nice is its priority: 0 is the host's, 19 the lowest.
	Nice int
	// Workers is how many goroutines compile; as many as there are processors by
	// default.
	Workers int
}

// DefaultLimits are above what the largest modules met need: Ruby with its standard
// library, 30 MB, takes a third of each.
func DefaultLimits() Limits {
	return Limits{
		MemoryBytes: 2 << 30, CPUTime: 2 * time.Minute, WallTime: 10 * time.Minute,
		OpenFiles: 64, Nice: 10, Workers: runtime.GOMAXPROCS(0),
	}
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	fill(&l.MemoryBytes, d.MemoryBytes)
	fill(&l.CPUTime, d.CPUTime)
	fill(&l.WallTime, d.WallTime)
	fill(&l.OpenFiles, d.OpenFiles)
	fill(&l.Nice, d.Nice)
	fill(&l.Workers, d.Workers)
	return l
}

func fill[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate lists what the limits cannot be, naming the fields.
func (l Limits) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if l.MemoryBytes < 0 || l.MemoryBytes > 0 && l.MemoryBytes < 64<<20 {
		fault("MemoryBytes: %d is below 64 MB", l.MemoryBytes)
	}
	if l.CPUTime < 0 || l.CPUTime > 0 && l.CPUTime < time.Second {
		fault("CPUTime: %v is below a second", l.CPUTime)
	}
	if l.WallTime < 0 {
		fault("WallTime: %v is negative", l.WallTime)
	}
	if l.OpenFiles < 0 || l.OpenFiles > 0 && l.OpenFiles < 16 {
		fault("OpenFiles: %d is below 16", l.OpenFiles)
	}
	if l.Nice < 0 || l.Nice > 19 {
		fault("Nice: %d is not between 0 and 19", l.Nice)
	}
	if l.Workers < 0 {
		fault("Workers: %d is negative", l.Workers)
	}
	return errors.Join(faults...)
}

// Usage is what one child took.
type Usage struct {
	// CPUTime and WallTime are from its start to its end.
	CPUTime, WallTime time.Duration
	// PeakBytes is the most memory it has had resident; 0 when it is not known, as
	// of one that was killed.
	PeakBytes int64
}

// Config configures [Children].
type Config struct {
	Limits Limits
	// Ended is told what each child took, before Prepare returns. May be nil.
	Ended func(Usage)
}

// Children prepares modules, each in a process of its own. Safe for concurrent
// use; how many there are at a time is the caller's business.
type Children struct {
	cfg  Config
	path string
	// started is told of a child's process; for tests.
	started func(pid int)
}

// marker is set in a child's environment.
const marker = "LAMBENT_PUBLISHING"

// recognised tells that this program knows its children.
var recognised atomic.Bool

// New finds the program. It refuses in a program that has not called
// [ExitIfChild], whose children would begin as it did and start children of their
// own; and in a child.
func New(cfg Config) (*Children, error) {
	if err := cfg.Limits.Validate(); err != nil {
		return nil, fmt.Errorf("limits of publishing: %w", err)
	}
	if !recognised.Load() {
		return nil, errors.New("the program has to call publish.ExitIfChild first")
	}
	if os.Getenv(marker) != "" {
		return nil, errors.New("a publishing process publishes nothing")
	}
	path, err := programPath()
	if err != nil {
		return nil, fmt.Errorf("finding the program: %w", err)
	}
	cfg.Limits = cfg.Limits.withDefaults()
	return &Children{cfg: cfg, path: path}, nil
}

var errTooLong = errors.New("the child took too long")

// Prepare is a sandbox.Preparer.
func (c *Children) Prepare(ctx context.Context, wasm []byte, dir string) (sandbox.Prepared, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.cfg.Limits.WallTime, errTooLong)
	defer cancel()
	// A child is killed when the thread that started it ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	began := time.Now()
	e, err := c.run(ctx, wasm, dir)
	if err != nil {
		return sandbox.Prepared{}, err
	}
	if c.cfg.Ended != nil {
		u := Usage{CPUTime: e.cpu, WallTime: time.Since(began)}
		if e.answer != nil {
			u.PeakBytes = e.answer.PeakBytes
		}
		c.cfg.Ended(u)
	}
	return e.verdict(ctx, c.cfg.Limits)
}

// run starts a child, gives it the module, and waits for its end.
func (c *Children) run(ctx context.Context, wasm []byte, dir string) (ending, error) {
	cmd := exec.CommandContext(ctx, c.path)
	cmd.Args = []string{"lambent: publishing"}
	cmd.Env = []string{marker + "=1"}
	cmd.Dir = dir
	cmd.SysProcAttr = attributes()
	cmd.Cancel = func() error { return killGroup(cmd.Process) }
	cmd.WaitDelay = 5 * time.Second
	said := &opening{}
	cmd.Stderr = said
	in, err := cmd.StdinPipe()
	if err != nil {
		return ending{}, fmt.Errorf("starting a publishing process: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return ending{}, errors.Join(fmt.Errorf("starting a publishing process: %w", err), in.Close())
	}
	if err := cmd.Start(); err != nil {
		return ending{}, fmt.Errorf("starting a publishing process: %w", err)
	}
	if c.started != nil {
		c.started(cmd.Process.Pid)
	}
	written := make(chan struct{})
	go func() { // ends when the child has read or has ended
		defer close(written)
		_ = writeRequest(in, request{Limits: c.cfg.Limits, WasmBytes: int64(len(wasm))}, wasm)
	}()
	var e ending
	e.ready, e.answer = readAnswer(out)
	if e.answer == nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(out, maxMessage)) // its end, if it has not been
		_ = killGroup(cmd.Process)
	}
	e.err = cmd.Wait() // closes the pipes
	<-written
	e.said = said.String()
	if cmd.ProcessState != nil {
		e.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	return e, nil
}

// opening keeps the beginning of what is written to it; the rest of a crash says the
// same again.
type opening struct{ bytes.Buffer }

const maxSaid = 16 << 10

func (o *opening) Write(p []byte) (int, error) {
	if room := maxSaid - o.Len(); room > 0 {
		_, _ = o.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
