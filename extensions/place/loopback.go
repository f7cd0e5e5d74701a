package place

import (
	"context"
	"errors"
	"net"
	"strconv"
	"sync"
)

// loopback is a room of [Loopback]: the processes that were started in it.
type loopback struct {
	mu     sync.Mutex
	closed bool
	all    []*process
}

var errClosed = errors.New("the room is closed")

func (*loopback) Dial(ctx context.Context, port int) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
}

func (l *loopback) Start(cmd Command) (Process, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errClosed
	}
	p, err := startProcess(cmd)
	if err != nil {
		return nil, err
	}
	l.all = append(l.all, p)
	return p, nil
}

func (l *loopback) Close() error {
	l.mu.Lock()
	l.closed = true
	all := l.all
	l.all = nil
	claims.release(l)
	l.mu.Unlock()
	for _, p := range all {
		p.Kill()
	}
	for _, p := range all {
		p.Wait()
	}
	return nil
}
