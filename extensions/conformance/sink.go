package conformance

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// mood is how the sink treats those who call.
type mood int

const (
	moodWell   mood = iota // answers 200 {}
	moodSlow               // answers so after slowAnswer
	moodErrors             // answers 503
	moodHangs              // takes requests and never answers
	moodDown               // refuses connections
)

// slowAnswer is how long a slow sink takes.
const slowAnswer = time.Second

// sink is the extension's own backend as it may be on a bad day: an HTTP server
// on loopback. It is safe for concurrent use.
type sink struct {
	port int

	mu       sync.Mutex
	mood     mood
	server   *http.Server // nil: down
	listener net.Listener
	served   sync.WaitGroup
	requests int
	bytes    int64
	end      context.Context // of requests that hang
	stop     context.CancelFunc
}

// newSink begins to listen, and is well.
func newSink() (*sink, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the extension's backend: %w", err)
	}
	s := &sink{port: listener.Addr().(*net.TCPAddr).Port} // the network is tcp
	s.serve(listener)
	return s, nil
}

// headerTimeout bounds how long a caller may take for its header.
const headerTimeout = 10 * time.Second

// serve is called with the lock, or before anybody knows the sink.
func (s *sink) serve(listener net.Listener) {
	server := &http.Server{Handler: s, ReadHeaderTimeout: headerTimeout}
	s.server, s.listener = server, listener
	s.end, s.stop = context.WithCancel(context.Background())
	s.served.Go(func() { _ = server.Serve(listener) }) // ends with ErrServerClosed
}

// set changes the mood; requests under way keep the one they met, except that a
// sink that goes down breaks them off.
func (s *sink) set(m mood) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mood = m
	switch {
	case m == moodDown && s.server != nil:
		s.stop()
		// The server may not have begun to serve, and then closes no listener.
		err := s.listener.Close()
		_ = s.server.Close() // it has the listener, which is closed
		s.server = nil
		s.served.Wait()
		return err
	case m != moodDown && s.server == nil:
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)))
		if err != nil {
			return fmt.Errorf("listen again for the extension's backend: %w", err)
		}
		s.serve(listener)
	}
	return nil
}

// ServeHTTP takes any request.
func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests++
	mood, end := s.mood, s.end
	s.mu.Unlock()
	n, _ := io.Copy(io.Discard, r.Body)
	s.mu.Lock()
	s.bytes += n
	s.mu.Unlock()
	switch mood {
	case moodSlow:
		wait(r.Context(), end, slowAnswer)
	case moodErrors:
		http.Error(w, "not today", http.StatusServiceUnavailable)
		return
	case moodHangs:
		wait(r.Context(), end, 0)
		panic(http.ErrAbortHandler) // no answer
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, "{}") // a caller that is gone needs no answer
}

// wait waits for a while, or for ever where that is 0, until either context is
// done.
func wait(caller, end context.Context, d time.Duration) {
	var over <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-over:
	case <-caller.Done():
	case <-end.Done():
	}
}

// seen is how many requests there were, and the size of their bodies.
func (s *sink) seen() (requests int, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests, s.bytes
}

// close breaks off everything and waits for it.
func (s *sink) close() {
	_ = s.set(moodDown) // closing cannot fail in a way that matters
	s.served.Wait()
}

// forget begins to count anew.
func (s *sink) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests, s.bytes = 0, 0
}

// variables are the target's, with the sink in its places, for an environment that
// reaches it by the name of host.
func (s *sink) variables(host string, t Target) []string {
	port := strconv.Itoa(s.port)
	addr := net.JoinHostPort(host, port)
	url := "http://" + addr
	fill := strings.NewReplacer("{sink}", url, "{sink.addr}", addr, "{sink.port}", port)
	var env []string
	for _, pair := range t.Env {
		name, value, _ := strings.Cut(pair, "=")
		env = append(env, name+"="+fill.Replace(value))
	}
	for _, name := range t.SinkEnv {
		env = append(env, name+"="+url)
	}
	return env
}

// told tells whether the target is told where the sink is.
func (t Target) told() bool {
	for _, pair := range t.Env {
		if _, value, _ := strings.Cut(pair, "="); strings.Contains(value, "{sink") {
			return true
		}
	}
	return len(t.SinkEnv) > 0
}
