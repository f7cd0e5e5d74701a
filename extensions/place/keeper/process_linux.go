package keeper

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// outputGrace is how long the output of an ended process is still read, in case
// something that left its group holds the pipe.
const outputGrace = 500 * time.Millisecond

// Process is one that a keeper has started.
type Process struct {
	keeper *Keeper
	id     uint64
	status string
	exit   chan struct{} // closed when it has ended
	done   chan struct{} // closed when its output has been read as well
}

// ended is called once.
func (p *Process) ended(status string) {
	p.status = status
	close(p.exit)
}

func (p *Process) finish(o *outputs) {
	<-p.exit
	o.finish()
	close(p.done)
}

// Wait waits until the process and its group have ended and what they wrote has been
// read.
func (p *Process) Wait() string {
	<-p.done
	return p.status
}

// Kill ends the process and its group at once. It does nothing when it has ended.
func (p *Process) Kill() {
	// Where nothing can be asked any more, nothing runs.
	_ = p.keeper.host.send(message{What: doKill, ID: p.id})
}

// outputs are the pipes that a process writes to.
type outputs struct {
	readEnds, writeEnds []*os.File
	writers             []io.Writer
	copies              sync.WaitGroup
}

func newOutputs(writers ...io.Writer) (*outputs, error) {
	o := &outputs{writers: writers}
	for range writers {
		var fds [2]int
		if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
			o.abandon()
			return nil, err
		}
		// The process writes as to any pipe; reading here can be ended.
		err := unix.SetNonblock(fds[0], true)
		o.readEnds = append(o.readEnds, os.NewFile(uintptr(fds[0]), "output"))
		o.writeEnds = append(o.writeEnds, os.NewFile(uintptr(fds[1]), "output"))
		if err != nil {
			o.abandon()
			return nil, err
		}
	}
	return o, nil
}

// abandon is for a process that was not started.
func (o *outputs) abandon() {
	closeAll(o.readEnds)
	closeAll(o.writeEnds)
}

// copy begins to read. The write ends are the process's now.
func (o *outputs) copy() {
	closeAll(o.writeEnds)
	for i, from := range o.readEnds {
		o.copies.Go(func() {
			_, err := io.Copy(o.writers[i], from)
			if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				_, _ = io.Copy(io.Discard, from) // nobody takes it, and nobody shall block on it
			}
		})
	}
}

// finish reads what is left of an ended process's output.
func (o *outputs) finish() {
	for _, from := range o.readEnds {
		_ = from.SetReadDeadline(time.Now().Add(outputGrace)) // it is a pipe
	}
	o.copies.Wait()
	closeAll(o.readEnds)
}

// tail keeps the end of what a keeper says when it fails.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const maxTail = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if surplus := len(t.text) - maxTail; surplus > 0 {
		t.text = append([]byte(nil), t.text[surplus:]...)
	}
	return len(p), nil
}

// String returns it.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
