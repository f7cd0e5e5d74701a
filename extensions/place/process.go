package place

import (
	"os/exec"
	"runtime"
	"sync"
	"time"
)

// process is one extension process on the machine itself.
type process struct {
	cmd    *exec.Cmd
	status string        // how it ended
	done   chan struct{} // closed when it is reaped and its output is read

	mu     sync.Mutex
	reaped bool // its id means nothing any more
}

// outputGrace is how long the output of an ended process is still read, in case
// something that left its group holds the pipe.
const outputGrace = 500 * time.Millisecond

// startProcess runs the file as leader of a new process group.
func startProcess(c Command) (*process, error) {
	cmd := exec.Command(c.Path)
	cmd.Env, cmd.Dir = c.Env, "/"
	cmd.Stdout, cmd.Stderr = c.Stdout, c.Stderr
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
		if err == nil {
			p.status = p.wait()
		}
	}()
	if err := <-started; err != nil {
		<-p.done
		return nil, err
	}
	return p, nil
}

// Wait is that of [Process].
func (p *process) Wait() string {
	<-p.done
	return p.status
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

// Kill is that of [Process].
func (p *process) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		killGroup(p.cmd.Process.Pid)
	}
}
