package extensions

import (
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"github.com/lambent-host/lambent/extensions/place"
	"github.com/lambent-host/lambent/telemetry"
)

// process is one extension process in its room.
type process struct {
	place.Process
	done chan struct{} // closed when it has ended and that was told
}

// startProcess runs the file; what it writes becomes extension events of stream.
// exited is called once, with the exit status and the end of what it wrote, from the
// goroutine that waits for the process.
func startProcess(room place.Room, path string, env []string, stream *telemetry.Stream, exited func(status, output string)) (*process, error) {
	var out, failures lastOutput // which of the two came first is not known
	// Half a line on one must not be completed by the other.
	stdout := telemetry.NewLineWriter(stream, telemetry.TypeExtension)
	stderr := telemetry.NewLineWriter(stream, telemetry.TypeExtension)
	proc, err := room.Start(place.Command{Path: path, Env: env, Stdout: io.MultiWriter(stdout, &out), Stderr: io.MultiWriter(stderr, &failures)})
	if err != nil {
		return nil, err
	}
	p := &process{Process: proc, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		status := proc.Wait()
		stdout.Flush()
		stderr.Flush()
		exited(status, out.String()+failures.String())
	}()
	return p, nil
}

// keptOutput is how much of each of an extension's two outputs is kept for the
// operator, in bytes.
const keptOutput = 2 << 10

// lastOutput keeps the end of what is written to it. It is safe for concurrent use.
type lastOutput struct {
	mu  sync.Mutex
	buf []byte
}

// Write never fails.
func (o *lastOutput) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.buf = append(o.buf, p[max(0, len(p)-keptOutput):]...)
	if over := len(o.buf) - keptOutput; over > 0 {
		o.buf = slices.Delete(o.buf, 0, over)
	}
	return len(p), nil
}

// String is what is kept, as text.
func (o *lastOutput) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.ToValidUTF8(string(o.buf), "\uFFFD")
}

// launchReason is the errorType that platform.extension gives to a launch error.
func launchReason(err error) string {
	if errors.Is(err, fs.ErrPermission) {
		return "PermissionDenied"
	}
	return "UnknownError: " + err.Error()
}
