package extensions

import (
	"errors"
	"io/fs"
	"os/exec"
	"runtime"
	"sync"
	"time"

	"github.com/lambent-host/lambent/telemetry"
)

// process is one extension process with the group of processes it leads.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it is reaped and its output is read

	mu     sync.Mutex
	reaped bool // its id means nothing any more
}

// outputGrace is how long the output of an ended process is still read, in case
// something that left its group holds the pipe.
const outputGrace = 500 * time.Millisecond

// startProcess runs the file as leader of a new process group; what it writes
// becomes extension events of stream. exited is called once, with the exit
// status, from the goroutine that waits for the process.
func startProcess(path string, env []string, stream *telemetry.Stream, exited func(status string)) (*process, error) {
	// Half a line on one must not be completed by the other.
	stdout := telemetry.NewLineWriter(stream, telemetry.TypeExtension)
	stderr := telemetry.NewLineWriter(stream, telemetry.TypeExtension)
	cmd := exec.Command(path)
	cmd.Env, cmd.Dir = env, "/"
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.WaitDelay = outputGrace
	cmd.SysProcAttr = groupLeader()
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		defer close(p.done)
		// The process dies with the thread that started it (Pdeathsig), so the
		// thread is kept until the process has ended.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		status := p.wait()
		stdout.Flush()
		stderr.Flush()
		exited(status)
	}()
	if err := <-started; err != nil {
		<-p.done
		return nil, err
	}
	return p, nil
}

// wait returns the exit status after the process and its group have ended.
func (p *process) wait() string {
	pid := p.cmd.Process.Pid
	var err error
	if awaitExit(pid) {
		// Nothing of the group may outlive its leader. The leader is not reaped
		// yet: its id cannot have become another's.
		killGroup(pid)
		p.setReaped()
		err = p.cmd.Wait()
	} else {
		err = p.cmd.Wait()
		p.setReaped()
		killGroup(pid)
	}
	if p.cmd.ProcessState != nil {
		return p.cmd.ProcessState.String()
	}
	return err.Error()
}

func (p *process) setReaped() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reaped = true
}

// kill ends the process and its group at once. It does nothing when the process
// has ended.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		killGroup(p.cmd.Process.Pid)
	}
}

// launchReason is the errorType that platform.extension gives to a launch error.
func launchReason(err error) string {
	if errors.Is(err, fs.ErrPermission) {
		return "PermissionDenied"
	}
	return "UnknownError: " + err.Error()
}
