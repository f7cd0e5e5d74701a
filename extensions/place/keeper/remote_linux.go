package keeper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// answerTimeout bounds how long a keeper takes to answer, beside the time that what
// it was asked for may take.
const answerTimeout = 10 * time.Second

var errGone = errors.New("the process that keeps the extensions has ended")

// Keeper is a running keeper, seen from the host. It is safe for concurrent use.
type Keeper struct {
	host pipe
	cmd  *exec.Cmd
	said *tail
	done chan struct{} // closed when it is reaped: no process of its namespace is left

	tasks sync.WaitGroup // of this side

	mu      sync.Mutex
	gone    bool // it answers nothing any more
	last    uint64
	waiting map[uint64]chan answered
	running map[uint64]*Process
}

type answered struct {
	message
	files []*os.File
}

// Start starts a keeper in new namespaces and has it make what setup asks for. It
// returns the listener of the Extensions API inside. With own user the namespaces are
// those of a new user namespace, which takes no privileges. ctx bounds the making.
func Start(ctx context.Context, setup Setup, ownUser bool) (*Keeper, net.Listener, error) {
	if !recognised.Load() {
		return nil, nil, errors.New("the program has to call ExitIfChild first")
	}
	if os.Getenv(marker) != "" {
		return nil, nil, errors.New("a keeper starts no keepers")
	}
	k, err := spawn(ownUser)
	if err != nil {
		return nil, nil, fmt.Errorf("start in namespaces: %w", err)
	}
	listener, err := k.setUp(ctx, setup)
	if err != nil {
		k.Close()
		if said := k.said.String(); said != "" {
			err = fmt.Errorf("%w: %s", err, said)
		}
		return nil, nil, err
	}
	return k, listener, nil
}

// spawn starts the process.
func spawn(ownUser bool) (*Keeper, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	mine, its := os.NewFile(uintptr(fds[0]), "keeper"), os.NewFile(uintptr(fds[1]), "host")
	defer closeAll([]*os.File{mine, its})
	conn, err := net.FileConn(mine)
	if err != nil {
		return nil, err
	}
	k := &Keeper{
		host: pipe{conn.(*net.UnixConn)}, said: &tail{}, done: make(chan struct{}),
		waiting: map[uint64]chan answered{}, running: map[uint64]*Process{},
	}
	k.cmd = exec.Command("/proc/self/exe")
	k.cmd.Args = []string{"lambent: keeping extensions"}
	k.cmd.Env = []string{marker + "=1", "GOMAXPROCS=2"}
	k.cmd.Dir = "/"
	k.cmd.Stderr = k.said
	k.cmd.ExtraFiles = []*os.File{its}
	k.cmd.SysProcAttr = attributes(ownUser)
	started := make(chan error, 1)
	go func() {
		defer close(k.done)
		// The process dies with the thread that started it (Pdeathsig).
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := k.cmd.Start()
		started <- err
		if err == nil {
			_ = k.cmd.Wait() // it is always killed
		}
	}()
	if err := <-started; err != nil {
		<-k.done
		return nil, errors.Join(err, conn.Close())
	}
	return k, nil
}

// Who the processes are to themselves in a user namespace of their own, as on Lambda.
const (
	lambdaUser  = 993
	lambdaGroup = 990
)

// attributes put the process into namespaces. In a user namespace of its own it keeps
// what rights it needs there although it is not root in it.
func attributes(ownUser bool) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{
		Setsid: true, Pdeathsig: syscall.SIGKILL,
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
	}
	if ownUser {
		attr.Cloneflags |= unix.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: lambdaUser, HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: lambdaGroup, HostID: os.Getegid(), Size: 1}}
		attr.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN, unix.CAP_NET_RAW, unix.CAP_SETPCAP}
	}
	return attr
}

// setUp sends the setup and takes the listener. From then on answers are read.
func (k *Keeper) setUp(ctx context.Context, setup Setup) (net.Listener, error) {
	stop := context.AfterFunc(ctx, func() { _ = k.host.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := k.host.send(setup); err != nil {
		return nil, err
	}
	var m message
	files, err := k.host.receive(&m)
	defer closeAll(files)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, io.EOF):
		return nil, errGone
	case err != nil:
		return nil, err
	case m.failure() != nil:
		return nil, m.failure()
	case len(files) != 1:
		return nil, fmt.Errorf("%d files came with the answer", len(files))
	case !stop():
		return nil, ctx.Err()
	}
	listener, err := net.FileListener(files[0])
	if err != nil {
		return nil, err
	}
	k.tasks.Go(k.listen)
	return listener, nil
}

// listen takes what the keeper says until it has ended, and its processes with it.
func (k *Keeper) listen() {
	for {
		var m message
		files, err := k.host.receive(&m)
		if err != nil {
			closeAll(files)
			break
		}
		k.hear(m, files)
	}
	k.kill()
	<-k.done
	k.mu.Lock()
	defer k.mu.Unlock()
	k.gone = true
	for id, answer := range k.waiting {
		delete(k.waiting, id)
		close(answer)
	}
	for id, p := range k.running {
		delete(k.running, id)
		p.ended("signal: " + syscall.SIGKILL.String())
	}
}

func (k *Keeper) hear(m message, files []*os.File) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if m.What == isExit {
		closeAll(files)
		if p, ok := k.running[m.ID]; ok {
			delete(k.running, m.ID)
			p.ended(m.Status)
		}
		return
	}
	answer, ok := k.waiting[m.ID]
	if !ok {
		closeAll(files) // nobody waits any more
		return
	}
	delete(k.waiting, m.ID)
	answer <- answered{m, files}
}

// ask sends a request and waits for the answer, whose files are the caller's.
func (k *Keeper) ask(ctx context.Context, m message, files ...*os.File) ([]*os.File, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	answer := make(chan answered, 1)
	k.mu.Lock()
	if k.gone {
		k.mu.Unlock()
		return nil, errGone
	}
	if m.ID == 0 {
		k.last++
		m.ID = k.last
	}
	k.waiting[m.ID] = answer
	k.mu.Unlock()
	err := k.host.send(m, files...)
	if err == nil {
		select {
		case a, ok := <-answer:
			if !ok {
				return nil, errGone
			}
			if err := a.failure(); err != nil {
				closeAll(a.files)
				return nil, err
			}
			return a.files, nil
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	k.mu.Lock()
	delete(k.waiting, m.ID)
	k.mu.Unlock()
	select {
	case a := <-answer: // came just now
		closeAll(a.files)
	default:
	}
	return nil, err
}

// Dial connects to a port of the namespace's loopback.
func (k *Keeper) Dial(ctx context.Context, port int) (net.Conn, error) {
	files, err := k.ask(ctx, message{What: doDial, Port: port})
	defer closeAll(files)
	if err != nil {
		return nil, fmt.Errorf("dial port %d of the environment: %w", port, err)
	}
	if len(files) != 1 {
		return nil, fmt.Errorf("dial port %d of the environment: %d files came", port, len(files))
	}
	return net.FileConn(files[0])
}

// Start starts a program at a path as it is seen inside.
func (k *Keeper) Start(path string, env []string, stdout, stderr io.Writer) (*Process, error) {
	p := &Process{keeper: k, exit: make(chan struct{}), done: make(chan struct{})}
	outputs, err := newOutputs(stdout, stderr)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	if k.gone {
		k.mu.Unlock()
		outputs.abandon()
		return nil, errGone
	}
	k.last++
	p.id = k.last
	k.running[p.id] = p
	k.mu.Unlock()
	_, err = k.ask(context.Background(), message{What: doStart, ID: p.id, Path: path, Env: env}, outputs.writeEnds...)
	if err != nil {
		k.mu.Lock()
		delete(k.running, p.id)
		k.mu.Unlock()
		p.Kill() // it may have started although nobody said so
		outputs.abandon()
		return nil, err
	}
	outputs.copy()
	k.tasks.Go(func() { p.finish(outputs) })
	return p, nil
}

// PID is the keeper's process id.
func (k *Keeper) PID() int { return k.cmd.Process.Pid }

// kill ends the process, and so all of its namespace.
func (k *Keeper) kill() { _ = k.cmd.Process.Kill() } // an error: it has ended

// Close kills everything and returns when nothing is left. A second call does nothing.
func (k *Keeper) Close() {
	k.kill()
	<-k.done
	_ = k.host.conn.Close() // there is nothing to be lost
	k.tasks.Wait()
}
