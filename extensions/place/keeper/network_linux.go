package keeper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lambent-host/lambent/extensions/place/egress"
)

// network is a network namespace and the thread that is in it.
type network struct {
	work chan func()
	// space is the namespace, for other threads to enter.
	space *os.File
	// link is the other end of the namespace's only link, nil without a way out.
	link   io.ReadWriter
	egress *egress.Config
}

// newNetwork makes a network with a loopback of its own and, if cfg is not nil, a
// way out.
func newNetwork(cfg *egress.Config) (*network, error) {
	n := &network{work: make(chan func()), egress: cfg}
	made := make(chan error)
	go func() {
		runtime.LockOSThread() // for ever: this thread is not like others any more
		made <- n.enter()
		for f := range n.work {
			f()
		}
	}()
	return n, <-made
}

// enter takes the thread into a new namespace and sets that up.
func (n *network) enter() error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("new namespace: %w", err)
	}
	space, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	n.space = space
	if err := linkUp("lo", 0); err != nil {
		return fmt.Errorf("lo: %w", err)
	}
	if n.egress == nil {
		return nil
	}
	if n.link, err = openTun(tunName); err != nil {
		var other error
		if n.link, other = openVeth(); other != nil {
			return fmt.Errorf("the way out: %w", errors.Join(err, other))
		}
	}
	if err := n.route(); err != nil {
		return fmt.Errorf("the way out: %w", err)
	}
	return nil
}

// do runs f on the thread that is in the namespace.
func (n *network) do(f func() error) error {
	done := make(chan error)
	n.work <- func() { done <- f() }
	return <-done
}

// listen listens for the Extensions API.
func (n *network) listen() (file *os.File, err error) {
	err = n.do(func() error {
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(Port)))
		if err != nil {
			return err
		}
		file, err = listener.(*net.TCPListener).File()
		return errors.Join(err, listener.Close())
	})
	return file, err
}

// dialTimeout bounds a connection to the namespace's own loopback.
const dialTimeout = 5 * time.Second

// dial connects to a port inside, on a thread that ends with it.
func (n *network) dial(port int) (*os.File, error) {
	type result struct {
		file *os.File
		err  error
	}
	dialled := make(chan result)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		file, err := n.dialHere(port)
		dialled <- result{file, err}
	}()
	r := <-dialled
	return r.file, r.err
}

func (n *network) dialHere(port int) (*os.File, error) {
	if err := unix.Setns(int(n.space.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("entering the namespace: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return nil, err
	}
	file, err := conn.(*net.TCPConn).File()
	return file, errors.Join(err, conn.Close())
}

// serve carries what the processes send to the outside.
func (n *network) serve() {
	if n.egress == nil {
		return
	}
	go func() {
		// It ends with an error, and the way out with it.
		fmt.Fprintln(os.Stderr, "the way out:", egress.Serve(n.link, *n.egress))
	}()
}
