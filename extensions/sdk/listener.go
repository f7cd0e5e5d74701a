package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"github.com/lambent-host/lambent/telemetry"
)

// sandboxHost is how the platform calls the environment: telemetry goes to this
// name only, and on AWS a listener has to be bound to it.
const sandboxHost = "sandbox.localdomain"

// maxBatchBytes bounds a batch: the platform may send twice its maxBytes and
// some more.
const maxBatchBytes = 16 << 20

// headerTimeout bounds how long the platform may take for a request's header.
const headerTimeout = 10 * time.Second

// listener receives telemetry.
type listener interface {
	port() int
	// drain goes on receiving for linger and then waits for the batch under way, all
	// of it until the deadline.
	drain(ctx context.Context, deadline time.Time, linger time.Duration)
	close()
}

// httpListener receives telemetry over HTTP.
type httpListener struct {
	socket net.Listener
	server *http.Server
	served chan struct{}

	handle func(context.Context, []telemetry.Event) error
	turn   chan struct{} // holds an element while there is a batch: one at a time
}

// listen starts to receive.
func listen(ctx context.Context, t Telemetry, handle func(context.Context, []telemetry.Event) error) (listener, error) {
	socket, err := listenSandbox(ctx, t.Port)
	if err != nil {
		return nil, fmt.Errorf("listen for telemetry: %w", err)
	}
	if t.Protocol == TCP {
		return newTCPListener(ctx, socket, handle), nil
	}
	l := newHTTPListener(socket, handle)
	l.serve()
	return l, nil
}

// lookupTimeout bounds the search for sandbox.localdomain. On the platform it is in
// /etc/hosts; a name server that does not answer must not use up the time of init.
const lookupTimeout = time.Second

// listenSandbox listens on sandbox.localdomain where that name is known and means this
// place, and on 127.0.0.1 elsewhere: there are name servers that know any name.
func listenSandbox(ctx context.Context, port int) (net.Listener, error) {
	const local = "127.0.0.1"
	host := local
	lookup, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	if addrs, err := net.DefaultResolver.LookupHost(lookup, sandboxHost); err == nil && len(addrs) > 0 {
		host = addrs[0]
	}
	var lc net.ListenConfig
	socket, err := lc.Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if host != local && errors.Is(err, syscall.EADDRNOTAVAIL) {
		return lc.Listen(ctx, "tcp", net.JoinHostPort(local, strconv.Itoa(port)))
	}
	return socket, err
}

func newHTTPListener(socket net.Listener, handle func(context.Context, []telemetry.Event) error) *httpListener {
	l := &httpListener{socket: socket, served: make(chan struct{}), handle: handle, turn: make(chan struct{}, 1)}
	l.server = &http.Server{Handler: l, ReadHeaderTimeout: headerTimeout}
	return l
}

func (l *httpListener) serve() {
	go func() {
		defer close(l.served)
		_ = l.server.Serve(l.socket) // ends with ErrServerClosed
	}()
}

func (l *httpListener) port() int { return portOf(l.socket) }

// portOf is the port of a socket whose network is tcp.
func portOf(socket net.Listener) int { return socket.Addr().(*net.TCPAddr).Port }

// ServeHTTP takes one batch.
func (l *httpListener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBatchBytes))
	if err != nil {
		http.Error(w, "batch could not be read", http.StatusBadRequest)
		return
	}
	events, err := decodeBatch(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-r.Context().Done():
	}
	if r.Context().Err() != nil { // nobody waits any more: it comes again
		http.Error(w, "batch was given up", http.StatusServiceUnavailable)
		return
	}
	if err := l.handle(r.Context(), events); err != nil {
		log.Printf("telemetry: %v", err)
		http.Error(w, "batch was not taken", http.StatusInternalServerError)
	}
}

// decodeBatch reads a JSON array of events. An event that cannot be read is left
// out and logged: refusing the batch would have the platform send it for ever.
func decodeBatch(body []byte) ([]telemetry.Event, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(body, &raw); err != nil {
		return nil, fmt.Errorf("not a batch of telemetry: %w", err)
	}
	events := make([]telemetry.Event, 0, len(raw))
	for _, one := range raw {
		var ev telemetry.Event
		if err := json.Unmarshal(one, &ev); err != nil {
			log.Printf("telemetry: event left out: %v", err)
			continue
		}
		events = append(events, ev)
	}
	return events, nil
}

func (l *httpListener) drain(ctx context.Context, deadline time.Time, linger time.Duration) {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	if linger > 0 {
		select {
		case <-time.After(linger):
		case <-ctx.Done():
		}
	}
	_ = l.server.Shutdown(ctx) // close does the rest
}

func (l *httpListener) close() {
	_ = l.server.Close() // the process is about to end
	<-l.served
}
