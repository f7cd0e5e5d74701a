package wasmextension

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/lambent-host/lambent/sandbox"
)

// fetcher sends the requests of one extension to the hosts that its manifest names,
// and nowhere else: no redirect is followed, no proxy is asked, and an address that a
// name leads to is looked at before it is connected to. It is safe for concurrent use.
type fetcher struct {
	allow  []allowed
	client *http.Client
	pace   pace
	lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)
	own    func() ([]net.Addr, error) // addresses of this machine
}

// Bounds of connections.
const (
	dialTimeout = 5 * time.Second
	idleTimeout = time.Minute
	maxConns    = 4
)

func newFetcher(m Manifest) *fetcher {
	f := &fetcher{lookup: net.DefaultResolver.LookupNetIP, own: net.InterfaceAddrs}
	for _, host := range m.AllowHosts {
		a, err := parseAllowed(host)
		if err == nil { // it was checked
			f.allow = append(f.allow, a)
		}
	}
	f.client = &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: f.dial, MaxIdleConnsPerHost: 1, MaxConnsPerHost: maxConns, IdleConnTimeout: idleTimeout,
			TLSHandshakeTimeout: dialTimeout, MaxResponseHeaderBytes: 64 << 10, ForceAttemptHTTP2: true,
		},
	}
	return f
}

func (f *fetcher) close() { f.client.CloseIdleConnections() }

// Fetch sends the request and reads the response.
func (f *fetcher) Fetch(ctx context.Context, in sandbox.Request, limit int) (sandbox.Response, error) {
	req, err := f.request(ctx, in)
	if err != nil {
		return sandbox.Response{}, err
	}
	if err := f.pace.wait(ctx); err != nil {
		return sandbox.Response{}, err
	}
	res, err := f.client.Do(req)
	if err != nil {
		return sandbox.Response{}, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, int64(limit)+1))
	switch {
	case err != nil:
		return sandbox.Response{}, err
	case len(body) > limit:
		return sandbox.Response{}, sandbox.ErrTooLarge
	}
	out := sandbox.Response{Status: res.StatusCode, Headers: map[string]string{}, Body: body}
	for name, values := range res.Header {
		if !hidden[name] {
			out.Headers[name] = strings.Join(values, ", ")
		}
	}
	return out, nil
}

// hidden are headers that are between the host and the other side.
var hidden = map[string]bool{
	"Connection": true, "Keep-Alive": true, "Proxy-Authenticate": true, "Proxy-Authorization": true, "Proxy-Connection": true,
	"Set-Cookie": true, "Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true,
	"Host": true, "Content-Length": true, "Expect": true,
}

// request checks what the guest asks for.
func (f *fetcher) request(ctx context.Context, in sandbox.Request) (*http.Request, error) {
	u, err := url.Parse(in.URL)
	if err != nil || u.Host == "" || u.User != nil || u.Opaque != "" {
		return nil, sandbox.ErrBadRequest
	}
	port := u.Port()
	switch u.Scheme {
	case "http", "https":
		if port == "" {
			port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
		}
	default:
		return nil, sandbox.ErrBadRequest
	}
	if ok, _ := matches(f.allow, u.Hostname(), port); !ok {
		return nil, sandbox.ErrDenied
	}
	req, err := http.NewRequestWithContext(ctx, in.Method, u.String(), bytes.NewReader(in.Body))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", sandbox.ErrBadRequest, err)
	}
	for name, value := range in.Headers {
		if !hidden[http.CanonicalHeaderKey(name)] {
			req.Header.Set(name, value)
		}
	}
	return req, nil
}

// dial connects to a host that was named. Its addresses are looked up once, and the
// one that is connected to is one that was looked at.
func (f *fetcher) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	ok, direct := matches(f.allow, host, port)
	if !ok {
		return nil, sandbox.ErrDenied
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	addrs, err := f.lookup(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	errs := []error{sandbox.ErrDenied}
	for _, addr := range addrs {
		addr = addr.Unmap()
		if !direct && f.near(addr) {
			continue // a name that leads to this machine: somebody else's doing
		}
		conn, err := new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(addr.String(), port))
		if err == nil {
			return conn, nil
		}
		errs[0] = err
	}
	return nil, errors.Join(errs...)
}
