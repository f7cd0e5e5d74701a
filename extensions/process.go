package extensions

import (
	"errors"
	"io/fs"

	"github.com/lambent-host/lambent/extensions/place"
	"github.com/lambent-host/lambent/telemetry"
)

// process is one extension process in its room.
type process struct {
	place.Process
	done chan struct{} // closed when it has ended and that was told
}

// startProcess runs the file; what it writes becomes extension events of stream.
// exited is called once, with the exit status, from the goroutine that waits for
// the process.
func startProcess(room place.Room, path string, env []string, stream *telemetry.Stream, exited func(status string)) (*process, error) {
	// Half a line on one must not be completed by the other.
	stdout := telemetry.NewLineWriter(stream, telemetry.TypeExtension)
	stderr := telemetry.NewLineWriter(stream, telemetry.TypeExtension)
	proc, err := room.Start(place.Command{Path: path, Env: env, Stdout: stdout, Stderr: stderr})
	if err != nil {
		return nil, err
	}
	p := &process{Process: proc, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		status := proc.Wait()
		stdout.Flush()
		stderr.Flush()
		exited(status)
	}()
	return p, nil
}

// launchReason is the errorType that platform.extension gives to a launch error.
func launchReason(err error) string {
	if errors.Is(err, fs.ErrPermission) {
		return "PermissionDenied"
	}
	return "UnknownError: " + err.Error()
}
