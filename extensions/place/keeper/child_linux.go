package keeper

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// ExitIfChild does a keeper's work and ends the process, if it is one. Main calls
// it before anything else, and so does the TestMain of a package whose tests open
// rooms in namespaces.
func ExitIfChild() {
	recognised.Store(true)
	if os.Getenv(marker) == "" {
		return
	}
	if err := keep(); err != nil && !errors.Is(err, io.EOF) {
		fmt.Fprintln(os.Stderr, "keeping extensions:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// controlFile is the keeper's end of the pipe to the host.
const controlFile = 3

// child is a keeper.
type child struct {
	host    pipe
	network *network
	spawner *spawner
}

// keep makes what the host asks for and serves it until it is gone.
func keep() error {
	closeOnExec()
	// As the first process of its namespace the keeper is reached by those signals
	// that it asks for, and these do nothing. Ignoring them would be inherited.
	signal.Notify(make(chan os.Signal, 1))
	conn, err := net.FileConn(os.NewFile(controlFile, "host"))
	if err != nil {
		return fmt.Errorf("the pipe to the host: %w", err)
	}
	c := &child{host: pipe{conn.(*net.UnixConn)}}
	var setup Setup
	if _, err := c.host.receive(&setup); err != nil {
		return fmt.Errorf("reading the setup: %w", err)
	}
	listener, err := c.make(setup)
	if err != nil {
		return c.host.send(answerTo(0, err)) // the host says it
	}
	err = c.host.send(answerTo(0, nil), listener)
	_ = listener.Close() // it is the host's
	if err != nil {
		return err
	}
	return c.serve()
}

// closeOnExec keeps what the host was given without knowing from the extensions.
func closeOnExec() {
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, f := range open {
		if fd, err := strconv.Atoi(f.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
}

// make builds the environment and returns the listener of its Extensions API.
func (c *child) make(setup Setup) (*os.File, error) {
	var err error
	if c.network, err = newNetwork(setup.Egress); err != nil {
		return nil, fmt.Errorf("network: %w", err)
	}
	listener, err := c.network.listen()
	if err != nil {
		return nil, fmt.Errorf("network: %w", err)
	}
	if err := unix.Sethostname([]byte(hostName)); err != nil {
		return nil, fmt.Errorf("host name: %w", err)
	}
	if err := limit(setup.Limits); err != nil {
		return nil, fmt.Errorf("limits: %w", err)
	}
	if err := arrange(setup); err != nil {
		return nil, fmt.Errorf("files: %w", err)
	}
	// No process of the same user may look into this one. It comes last: much of
	// /proc/self is not this user's from here on.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("closing the keeper to others: %w", err)
	}
	if c.spawner, err = newSpawner(c.network, setup, c.exited); err != nil {
		return nil, fmt.Errorf("processes: %w", err)
	}
	c.network.serve()
	return listener, nil
}

// firstToGo is added to the badness of a process, which has a thousand at most
// (proc_pid_oom_score_adj(5)).
const firstToGo = "900"

// limit bounds this process, and so all that come of it.
func limit(l Limits) error {
	for _, r := range []struct {
		resource int
		value    uint64
	}{
		{unix.RLIMIT_NOFILE, l.OpenFiles}, {unix.RLIMIT_NPROC, l.Processes}, {unix.RLIMIT_DATA, l.MemoryBytes}, {unix.RLIMIT_FSIZE, l.FileBytes},
	} {
		if r.value == 0 {
			continue
		}
		var now unix.Rlimit
		if err := unix.Getrlimit(r.resource, &now); err != nil {
			return err
		}
		if err := unix.Setrlimit(r.resource, &unix.Rlimit{Cur: min(r.value, now.Max), Max: min(r.value, now.Max)}); err != nil {
			return err
		}
	}
	// A machine that has no memory left ends an extension before it ends the host.
	if err := os.WriteFile("/proc/self/oom_score_adj", []byte(firstToGo), 0); err != nil {
		return err
	}
	return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
}

// maxDials bounds how many connections are being made at a time.
const maxDials = 64

var errBusy = fmt.Errorf("%d connections are being made already", maxDials)

// serve does what the host asks for until it is gone.
func (c *child) serve() error {
	dials := make(chan struct{}, maxDials)
	var all sync.WaitGroup
	defer all.Wait()
	for {
		var m message
		files, err := c.host.receive(&m)
		if err != nil {
			closeAll(files)
			return err
		}
		switch m.What {
		case doStart:
			err := c.spawner.start(m, files)
			closeAll(files)
			if err := c.host.send(answerTo(m.ID, err)); err != nil {
				return err
			}
		case doKill:
			c.spawner.kill(m.ID)
		case doDial:
			select {
			case dials <- struct{}{}:
				all.Go(func() {
					defer func() { <-dials }()
					c.dial(m)
				})
			default:
				if err := c.host.send(answerTo(m.ID, errBusy)); err != nil {
					return err
				}
			}
		}
	}
}

func (c *child) exited(id uint64, status string) {
	// Without a host this process ends as well.
	_ = c.host.send(message{What: isExit, ID: id, Status: status})
}

func (c *child) dial(m message) {
	conn, err := c.network.dial(m.Port)
	if err != nil {
		_ = c.host.send(answerTo(m.ID, err)) // as above
		return
	}
	_ = c.host.send(answerTo(m.ID, nil), conn)
	_ = conn.Close() // it is the host's
}
