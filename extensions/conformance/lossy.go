package conformance

import (
	"context"
	"io"
	"net"
	"sync/atomic"

	"github.com/lambent-host/lambent/extensions/place"
)

// lossy is a place whose network can lose an answer: the extension has given it,
// and the host never hears it.
type lossy struct {
	place.Place
	lose *atomic.Bool // the next answer
}

// Open is that of [place.Place].
func (l lossy) Open(ctx context.Context, env place.Environment) (place.Room, net.Listener, error) {
	room, listener, err := l.Place.Open(ctx, env)
	if err != nil {
		return nil, nil, err
	}
	return lossyRoom{room, l.lose}, listener, nil
}

type lossyRoom struct {
	place.Room
	lose *atomic.Bool
}

// Dial is that of [place.Room].
func (r lossyRoom) Dial(ctx context.Context, port int) (net.Conn, error) {
	conn, err := r.Room.Dial(ctx, port)
	if err != nil {
		return nil, err
	}
	return &lossyConn{conn, r.lose}, nil
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
