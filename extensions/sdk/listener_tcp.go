package sdk

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log"
	"net"
	"sync"
	"time"

	"github.com/lambent-host/lambent/telemetry"
)

// Bounds of what a TCP listener gathers before the callback has it.
const (
	tcpBatch = 1000     // events
	tcpLine  = 16 << 20 // bytes of one event
	tcpQuiet = 50 * time.Millisecond
)

// tcpListener receives telemetry over TCP, one event a line. The platform gets no
// answer there: an event whose callback fails is lost.
type tcpListener struct {
	socket net.Listener
	handle func(context.Context, []telemetry.Event) error
	ctx    context.Context //nolint:containedctx // of the callbacks; they have no request
	cancel context.CancelFunc
	tasks  sync.WaitGroup
	turn   sync.Mutex // one batch at a time

	mu    sync.Mutex
	conns map[net.Conn]struct{}
	over  bool
}

func newTCPListener(ctx context.Context, socket net.Listener, handle func(context.Context, []telemetry.Event) error) *tcpListener {
	l := &tcpListener{socket: socket, handle: handle, conns: map[net.Conn]struct{}{}}
	l.ctx, l.cancel = context.WithCancel(context.WithoutCancel(ctx))
	l.tasks.Go(l.accept)
	return l
}

func (l *tcpListener) port() int { return portOf(l.socket) }

func (l *tcpListener) accept() {
	for {
		conn, err := l.socket.Accept()
		if err != nil {
			return // closed
		}
		l.mu.Lock()
		if l.over {
			_ = conn.Close()
		} else {
			l.conns[conn] = struct{}{}
			l.tasks.Go(func() { l.receive(conn) })
		}
		l.mu.Unlock()
	}
}

// receive reads events until the connection ends.
func (l *tcpListener) receive(conn net.Conn) {
	defer func() {
		_ = conn.Close()
		l.mu.Lock()
		delete(l.conns, conn)
		l.mu.Unlock()
	}()
	in := bufio.NewReaderSize(conn, 64<<10)
	var events []telemetry.Event
	for {
		line, err := readLine(in)
		if text := bytes.TrimSpace(line); len(text) > 0 {
			var ev telemetry.Event
			if err := json.Unmarshal(text, &ev); err != nil {
				log.Printf("telemetry: event left out: %v", err)
			} else {
				events = append(events, ev)
			}
		}
		// What is there already goes along; nobody waits for more.
		if len(events) > 0 && (err != nil || in.Buffered() == 0 || len(events) >= tcpBatch) {
			l.take(events)
			events = nil
		}
		if err != nil {
			return
		}
	}
}

var errLine = errors.New("telemetry: a line is too long")

// readLine reads a line of any length up to tcpLine.
func readLine(in *bufio.Reader) (line []byte, err error) {
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case !errors.Is(err, bufio.ErrBufferFull):
			return line, err
		case len(line) > tcpLine:
			return nil, errLine
		}
	}
}

func (l *tcpListener) take(events []telemetry.Event) {
	l.turn.Lock()
	defer l.turn.Unlock()
	if err := l.handle(l.ctx, events); err != nil {
		log.Printf("telemetry: %d events were not taken: %v", len(events), err)
	}
}

// drain goes on receiving for linger, or as long as it takes to read what has been
// sent, all of it until the deadline.
func (l *tcpListener) drain(ctx context.Context, deadline time.Time, linger time.Duration) {
	until := time.Now().Add(max(linger, tcpQuiet))
	if until.After(deadline) {
		until = deadline
	}
	l.stop(until)
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	l.wait(ctx)
}

// wait waits for the callback and all that reads for it.
func (l *tcpListener) wait(ctx context.Context) {
	done := make(chan struct{})
	go func() { l.tasks.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// stop accepts no connection any more, and ends those there are at a time.
func (l *tcpListener) stop(at time.Time) {
	_ = l.socket.Close() // twice is once
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	for conn := range l.conns {
		_ = conn.SetReadDeadline(at) // fails where it has ended
	}
}

// closeTime is what a callback may take whose context has ended. The process is about
// to end: one that does not heed it is left behind.
const closeTime = time.Second

func (l *tcpListener) close() {
	l.cancel()
	l.stop(time.Unix(1, 0))
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	l.wait(ctx)
}
