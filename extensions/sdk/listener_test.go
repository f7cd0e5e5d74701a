package sdk

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lambent-host/lambent/telemetry"
)

// A platform that has given up waiting sends the batch again: one whose sender is
// gone would only hold up the next.
func TestABatchNobodyWaitsForIsNotTaken(t *testing.T) {
	l := newHTTPListener(nil, func(context.Context, []telemetry.Event) error {
		t.Error("it was taken")
		return nil
	})
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, busy := range []bool{false, true} {
		if busy {
			l.turn <- struct{}{}
		}
		w := httptest.NewRecorder()
		l.ServeHTTP(w, httptest.NewRequestWithContext(gone, http.MethodPost, "/", strings.NewReader("[]")))
		if w.Code < http.StatusBadRequest {
			t.Errorf("busy %v: status %d", busy, w.Code)
		}
	}
}

// resolve has names looked up by a server of the test's, which answers with addr; ""
// is one that never answers.
func resolve(t *testing.T, addr string) {
	t.Helper()
	before := net.DefaultResolver
	t.Cleanup(func() { net.DefaultResolver = before })
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { _ = server.Close(); <-done })
	go func() {
		defer close(done)
		query := make([]byte, 512)
		for {
			n, from, err := server.ReadFrom(query)
			if err != nil {
				return
			}
			if addr != "" {
				_, _ = server.WriteTo(answer(query[:n], net.ParseIP(addr)), from)
			}
		}
	}()
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", server.LocalAddr().String())
	}}
}

// answer is a DNS message (RFC 1035, section 4) that answers a query of type A with
// ip, and others with nothing.
func answer(query []byte, ip net.IP) []byte {
	const header = 12
	end := header
	for query[end] != 0 {
		end += int(query[end]) + 1
	}
	end += 5 // the last label, type and class
	m := append([]byte(nil), query[:end]...)
	copy(m[2:], []byte{0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0})
	if query[end-3] == 1 {
		m[7] = 1
		m = append(m, 0xc0, header, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4)
		m = append(m, ip.To4()...)
	}
	return m
}

func TestWhereItListens(t *testing.T) {
	for _, c := range []struct{ name, resolved, want string }{
		{"the sandbox's own address", "127.0.0.7", "127.0.0.7"},
		// RFC 5737: an address nobody has, as from a name server that knows any name.
		{"an address elsewhere", "192.0.2.1", "127.0.0.1"},
		{"no answer", "", "127.0.0.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			resolve(t, c.resolved)
			began := time.Now()
			socket, err := listenSandbox(t.Context(), 0)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = socket.Close() }()
			if host, _, _ := net.SplitHostPort(socket.Addr().String()); host != c.want {
				t.Errorf("it listens on %s, want %s", host, c.want)
			}
			// Lambda gives init 10 s in all.
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestAPortThatIsTaken(t *testing.T) {
	resolve(t, "127.0.0.1")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	_, err = listenSandbox(t.Context(), portOf(taken))
	var refused *net.OpError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), fmt.Sprint(portOf(taken))) {
		t.Errorf("got %v", err)
	}
}
