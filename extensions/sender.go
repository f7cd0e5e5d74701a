package extensions

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/extensions/place"
)

// sender brings one batch of encoded events to a destination. An error means
// that it has to be sent again. One goroutine uses it.
type sender interface {
	send(ctx context.Context, b *batch) error
	close()
}

// attemptTimeout bounds one try to deliver a batch.
const attemptTimeout = 5 * time.Second

func newSender(client *http.Client, room place.Room, dest extapi.Destination) sender {
	if dest.Protocol == extapi.ProtocolTCP {
		return &tcpSender{room: room, port: dest.Port}
	}
	return &httpSender{client: client, dest: dest}
}

// newTelemetryClient is for destinations inside the environment: whatever name
// the URI uses, the connection goes to the environment's own address. It follows
// no redirect and knows no proxy.
func newTelemetryClient(room place.Room) *http.Client {
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				_, service, err := net.SplitHostPort(addr)
				if err != nil {
					return nil, err
				}
				port, err := strconv.Atoi(service)
				if err != nil {
					return nil, err
				}
				return room.Dial(ctx, port)
			},
			MaxIdleConnsPerHost: 1,
			DisableCompression:  true,
		},
	}
}

// httpSender sends a batch as a JSON array.
type httpSender struct {
	client *http.Client
	dest   extapi.Destination
}

// maxAnswer is how much of a subscriber's answer is read, so that the
// connection can be used again.
const maxAnswer = 64 << 10

func (h *httpSender) send(ctx context.Context, b *batch) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	body := b.array()
	req, err := http.NewRequestWithContext(ctx, h.dest.Method, h.dest.URI, b.reader(body))
	if err != nil {
		return err
	}
	req.ContentLength = int64(len(body))
	req.GetBody = func() (io.ReadCloser, error) { return b.reader(body), nil }
	req.Header.Set("Content-Type", "application/json")
	res, err := h.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.CopyN(io.Discard, res.Body, maxAnswer) // it says nothing that matters
	if res.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("subscriber answered %s", res.Status)
	}
	return nil
}

func (h *httpSender) close() {}

// tcpSender writes an event a line on one connection, and keeps that while the
// subscriber does. After a fault it begins with a whole line on another one; the
// lines of the batch then come again.
type tcpSender struct {
	room place.Room
	port int
	conn net.Conn      // nil while there is none
	gone chan struct{} // closed when the subscriber has closed the connection
}

func (t *tcpSender) send(ctx context.Context, b *batch) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	if err := t.connect(ctx); err != nil {
		return err
	}
	conn := t.conn
	stop := context.AfterFunc(ctx, func() { _ = conn.SetWriteDeadline(time.Unix(1, 0)) })
	_, err := conn.Write(b.lines())
	if !stop() || err != nil {
		t.close() // half a line may have left, or the connection takes no more
	}
	return err
}

// connect sees to it that there is a connection. What is written to one that the
// subscriber has closed would be lost without an error, so each is watched.
func (t *tcpSender) connect(ctx context.Context) error {
	if t.conn != nil {
		select {
		case <-t.gone:
			t.close()
		default:
			return nil
		}
	}
	conn, err := t.room.Dial(ctx, t.port)
	if err != nil {
		return err
	}
	gone := make(chan struct{})
	t.conn, t.gone = conn, gone
	go func() { // until close
		defer close(gone)
		_, _ = io.Copy(io.Discard, conn) // it says nothing that matters
	}()
	return nil
}

func (t *tcpSender) close() {
	if t.conn != nil {
		_ = t.conn.Close() // there is nothing to be lost
		<-t.gone
		t.conn = nil
	}
}
