package extensions

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/extensions/place"
	"github.com/lambent-host/lambent/telemetry"
)

// tcpSink is a subscriber over TCP; the test accepts its connections.
type tcpSink struct {
	*stage
	listener net.Listener
}

func newTCPSink(t *testing.T) tcpSink {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	req := newSink(t, ok).request(telemetry.CategoryFunction)
	req.Destination = extapi.DestinationRequest{Protocol: "TCP", Port: listener.Addr().(*net.TCPAddr).Port}
	s, _ := subscribe(t, req)
	return tcpSink{s, listener}
}

func (k tcpSink) accept() net.Conn {
	k.t.Helper()
	conn, err := k.listener.Accept()
	if err != nil {
		k.t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(limit))
	k.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// record reads the record of one line; a line that is not an event fails the test.
func (k tcpSink) record(lines *bufio.Reader) string {
	k.t.Helper()
	line, err := lines.ReadBytes('\n')
	var ev telemetry.Event
	if err != nil || json.Unmarshal(line, &ev) != nil {
		k.t.Fatalf("line %.100q, %v", line, err)
	}
	return fmt.Sprint(ev.Record)
}

func TestTCPDestination(t *testing.T) {
	k := newTCPSink(t)
	k.stream.Publish(telemetry.TypeFunction, "one\ntwo")
	k.stream.Publish(telemetry.TypeFunction, "three")
	lines := bufio.NewReader(k.accept())
	for _, want := range []string{"one\ntwo", "three"} {
		if got := k.record(lines); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
}

// newTCPSender is a sender to a listener of the test.
func newTCPSender(t *testing.T) (*tcpSender, tcpSink) {
	t.Helper()
	room, api, err := place.Loopback{}.Open(t.Context(), place.Environment{})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _, _ = api.Close(), room.Close(), listener.Close() })
	_ = listener.(*net.TCPListener).SetDeadline(time.Now().Add(limit))
	return &tcpSender{room: room, port: listener.Addr().(*net.TCPAddr).Port}, tcpSink{&stage{t: t}, listener}
}

// tightRoom has connections that hold little of what is written.
type tightRoom struct{ place.Room }

func (r tightRoom) Dial(ctx context.Context, port int) (net.Conn, error) {
	conn, err := r.Room.Dial(ctx, port)
	if err == nil {
		err = conn.(*net.TCPConn).SetWriteBuffer(4 << 10)
	}
	return conn, err
}

// lineBatch is a batch of three lines that begin with their numbers.
func lineBatch(t *testing.T, first int, padding string) *batch {
	t.Helper()
	b := newBatch(separatorTCP)
	for i := range 3 {
		ev := telemetry.Event{Type: telemetry.TypeFunction, Record: fmt.Sprint(first+i, " ", padding)}
		as := telemetry.Encoding{Schema: telemetry.Schema20221213, Separator: separatorTCP}
		if _, err := b.add(ev, as, extapi.Buffering{MaxItems: 1000, MaxBytes: 1 << 24}); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// TestTCPSubscriberThatReconnects closes its connection: what is sent then comes on
// a new one.
func TestTCPSubscriberThatReconnects(t *testing.T) {
	sender, k := newTCPSender(t)
	defer sender.close()
	for i := range 5 {
		if err := sender.send(t.Context(), lineBatch(t, i, "")); err != nil {
			t.Fatal(err)
		}
		conn := k.accept()
		if got := k.record(bufio.NewReader(conn)); got != fmt.Sprint(i, " ") {
			t.Fatalf("connection %d begins with %s", i, got)
		}
		_ = conn.Close()
		select {
		case <-sender.gone:
		case <-time.After(limit):
			t.Fatal("the host does not see that its subscriber has gone")
		}
	}
}

// TestTCPSubscriberThatBreaksOff takes a part of the lines and breaks off: they go
// on at the begin of a line, and none is left out that was not sent whole.
func TestTCPSubscriberThatBreaksOff(t *testing.T) {
	const batches = 3
	padding := strings.Repeat("x", 400_000) // no kernel takes a batch for a reader that does not read
	sender, k := newTCPSender(t)
	sender.room = tightRoom{sender.room}
	sent := make(chan struct{})
	broken := 0
	go func() {
		defer close(sent)
		defer sender.close()
		for i := range batches {
			for sender.send(t.Context(), lineBatch(t, 3*i, padding)) != nil && t.Context().Err() == nil {
				broken++
			}
		}
	}()
	first := k.accept()
	if n, err := io.ReadFull(first, make([]byte, 150_000)); err != nil {
		t.Fatalf("read %d, %v", n, err)
	}
	_ = first.(*net.TCPConn).SetLinger(0)
	_ = first.Close()
	lines := bufio.NewReader(k.accept())
	var n int
	if _, err := fmt.Sscanf(k.record(lines), "%d", &n); err != nil {
		t.Fatal(err)
	}
	if n%3 != 0 {
		t.Errorf("it goes on with %d, within a batch", n)
	}
	for n++; n < 3*batches; n++ {
		if got := k.record(lines); !strings.HasPrefix(got, fmt.Sprint(n, " ")) {
			t.Fatalf("%.20s instead of %d", got, n)
		}
	}
	if <-sent; broken == 0 {
		t.Error("no send has failed")
	}
}
