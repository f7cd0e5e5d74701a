package conformance

import (
	"context"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/lambent-host/lambent/extensions/place"
)

// watched is a place that tells a record when its first process is started, and
// whose network can lose an answer: the extension has given it, and the host never
// hears it.
type watched struct {
	place.Place
	*record
	lose *atomic.Bool // the next answer; nil: none
}

// Open is that of [place.Place].
func (w watched) Open(ctx context.Context, env place.Environment) (place.Room, net.Listener, error) {
	room, listener, err := w.Place.Open(ctx, env)
	if err != nil {
		return nil, nil, err
	}
	return watchedRoom{room, w}, listener, nil
}

type watchedRoom struct {
	place.Room
	watched watched
}

// Start is that of [place.Room].
func (r watchedRoom) Start(cmd place.Command) (place.Process, error) {
	r.watched.add(func() {
		if r.watched.started.IsZero() {
			r.watched.started = time.Now()
		}
	})
	return r.Room.Start(cmd)
}

// Dial is that of [place.Room].
func (r watchedRoom) Dial(ctx context.Context, port int) (net.Conn, error) {
	conn, err := r.Room.Dial(ctx, port)
	if err != nil || r.watched.lose == nil {
		return conn, err
	}
	return &lossyConn{conn, r.watched.lose}, nil
}

type lossyConn struct {
	net.Conn
	lose *atomic.Bool
}

// Read swallows an answer that has arrived, and breaks the connection off.
func (c *lossyConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && c.lose.CompareAndSwap(true, false) {
		_ = c.Close() // broken off on purpose
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}
