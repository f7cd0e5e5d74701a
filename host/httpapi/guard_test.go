package httpapi

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestNamesThatWereRebound: on loopback a page whose name was made to mean
// 127.0.0.1 is of the same origin as the host, and only its name gives it away.
func TestNamesThatWereRebound(t *testing.T) {
	f := start(t)
	send := func(method, host string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, f.url+base, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		if method == http.MethodPost {
			req.Header.Set("Origin", "http://"+host)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(body)
	}
	for _, host := range []string{"pages.example.com:9101", "pages.example.com", "EXAMPLE.com.", "127.0.0.1.example.com:80", "localhost.example.com"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			if status, body := send(method, host); status != http.StatusForbidden || !strings.Contains(body, "Host header") {
				t.Errorf("%s with Host %s: %d %s", method, host, status, body)
			}
		}
	}
	for _, host := range []string{"localhost:9101", "LOCALHOST", "127.0.0.1:1", "[::1]:9101", "[::1]", "192.0.2.7:80", "lambent", "lambda.localhost:80", "box.local", "host.docker.internal:9101"} {
		if status, body := send(http.MethodGet, host); status != http.StatusOK {
			t.Errorf("Host %s: %d %s", host, status, body)
		}
	}
}
