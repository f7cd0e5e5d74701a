package wasmextension

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/lambent-host/lambent/sandbox"
)

func listenAgain(address string) (net.Listener, error) { return net.Listen("tcp", address) }

// fetching is a fetcher that may reach the hosts.
func fetching(t *testing.T, hosts ...string) *fetcher {
	t.Helper()
	f := newFetcher(Manifest{AllowHosts: hosts})
	t.Cleanup(f.close)
	return f
}

func address(s *httptest.Server) string { return strings.TrimPrefix(s.URL, "http://") }

func TestOnlyNamedHostsAreReached(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the other server was reached") }))
	defer other.Close()
	named := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/away" {
			http.Redirect(w, r, other.URL, http.StatusFound)
			return
		}
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Got", r.Header.Get("X-Sent")+r.Header.Get("Te")+r.Host)
		w.Header().Set("Set-Cookie", "a=b")
		_, _ = w.Write(body)
	}))
	defer named.Close()
	f := fetching(t, address(named))
	res, err := f.Fetch(t.Context(), sandbox.Request{Method: "PUT", URL: named.URL + "/x", Headers: map[string]string{"x-sent": "yes", "te": "trailers", "host": "evil"}, Body: []byte("body")}, 100)
	if err != nil || res.Status != 200 || string(res.Body) != "body" || res.Headers["X-Got"] != "yes"+address(named) || res.Headers["Set-Cookie"] != "" {
		t.Errorf("%+v, %v", res, err)
	}
	if res, err := f.Fetch(t.Context(), sandbox.Request{Method: "GET", URL: named.URL + "/away"}, 100); err != nil || res.Status != http.StatusFound || res.Headers["Location"] != other.URL {
		t.Errorf("a redirect: %+v, %v; want it returned", res, err)
	}
	for url, want := range map[string]error{
		other.URL:                               sandbox.ErrDenied,
		"http://localhost:" + port(named):       sandbox.ErrDenied, // another name of the same
		"https://example.com":                   sandbox.ErrDenied,
		"ftp://" + address(named):               sandbox.ErrBadRequest,
		"http://user:secret@" + address(named):  sandbox.ErrBadRequest,
		"http:" + address(named):                sandbox.ErrBadRequest,
		"/x":                                    sandbox.ErrBadRequest,
		"http://" + address(named) + "/%zz":     sandbox.ErrBadRequest,
		"http://" + address(named) + "@example": sandbox.ErrBadRequest,
	} {
		if _, err := f.Fetch(t.Context(), sandbox.Request{Method: "GET", URL: url}, 100); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", url, err, want)
		}
	}
	if _, err := f.Fetch(t.Context(), sandbox.Request{Method: "BAD METHOD", URL: named.URL}, 100); !errors.Is(err, sandbox.ErrBadRequest) {
		t.Errorf("a bad method: %v", err)
	}
	if _, err := f.Fetch(t.Context(), sandbox.Request{Method: "POST", URL: named.URL, Body: []byte("12345")}, 4); !errors.Is(err, sandbox.ErrTooLarge) {
		t.Errorf("a response of 5 bytes, where 4 are allowed: %v", err)
	}
}

func port(s *httptest.Server) string {
	_, p, _ := net.SplitHostPort(address(s))
	return p
}

func TestTheEnvironmentsProxyIsNotAsked(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Setenv("http_proxy", "http://127.0.0.1:1")
	f := fetching(t, "192.0.2.1:80") // TEST-NET: nobody is there
	f.lookup = func(context.Context, string, string) ([]netip.Addr, error) {
		return nil, errors.New("looked up, not asked of a proxy")
	}
	if _, err := f.Fetch(t.Context(), sandbox.Request{Method: "GET", URL: "http://192.0.2.1/"}, 100); err == nil || !strings.Contains(err.Error(), "looked up") {
		t.Errorf("%v", err)
	}
}

// A name may not lead to this machine, whoever says so: only an address may.
func TestANameDoesNotLeadToThisMachine(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	f := fetching(t, "collector.example:"+port(server), "*.below.example:"+port(server), "127.0.0.1:"+port(server))
	f.own = func() ([]net.Addr, error) {
		return []net.Addr{&net.IPNet{IP: net.ParseIP("192.0.2.7"), Mask: net.CIDRMask(24, 32)}, &net.IPNet{IP: net.ParseIP("2001:db8::7")}}, nil
	}
	for _, target := range []string{
		"127.0.0.1", "::1", "0.0.0.0", "169.254.169.254", "fe80::1", "::ffff:127.0.0.1", "fe80::1%lo",
		"192.0.2.7", "::ffff:192.0.2.7", "2001:db8::7", // this machine by its own addresses
		"fd00:ec2::254", "168.63.129.16", "100.100.100.200", "192.0.0.192", // metadata
		"64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "::127.0.0.1", "2002:7f00:1::", "64:ff9b::192.0.2.7", // in another form
	} {
		f.lookup = func(context.Context, string, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr(target)}, nil
		}
		for _, name := range []string{"collector.example", "a.below.example"} {
			if _, err := f.Fetch(t.Context(), sandbox.Request{Method: "GET", URL: "http://" + name + ":" + port(server)}, 100); !errors.Is(err, sandbox.ErrDenied) {
				t.Errorf("%s at %s: %v", name, target, err)
			}
		}
	}
	f.lookup = net.DefaultResolver.LookupNetIP
	if _, err := f.Fetch(t.Context(), sandbox.Request{Method: "GET", URL: server.URL}, 100); err != nil {
		t.Errorf("by its address: %v", err)
	}
	for _, name := range []string{"below.example", "xbelow.example", "collector.example.evil.example"} {
		if ok, _ := matches(f.allow, name, port(server)); ok {
			t.Errorf("%s is allowed", name)
		}
	}
}

func TestOthersAreNotNear(t *testing.T) {
	f := fetching(t, "collector.example:80")
	f.own = func() ([]net.Addr, error) { return []net.Addr{&net.IPNet{IP: net.ParseIP("192.0.2.7")}}, nil }
	for _, target := range []string{"192.0.2.8", "10.0.0.1", "2001:db8::7", "64:ff9b::192.0.2.8", "fd00::1"} {
		if f.near(netip.MustParseAddr(target)) {
			t.Errorf("%s is taken for this machine", target)
		}
	}
	f.own = func() ([]net.Addr, error) { return nil, errors.New("no list") }
	if !f.near(netip.MustParseAddr("192.0.2.8")) {
		t.Error("without a list of this machine's addresses, one is let through")
	}
}

// What a manifest says in another spelling means what a request says.
func TestSpellingsOfHosts(t *testing.T) {
	for text, url := range map[string]string{"x.example:080": "80", "x.example:+80": "80", "X.Example.:80": "80"} {
		a, err := parseAllowed(text)
		if ok, _ := matches([]allowed{a}, "x.example", url); err != nil || !ok {
			t.Errorf("%s does not allow x.example:%s: %v", text, url, err)
		}
	}
	if _, err := parseAllowed(".:80"); err == nil {
		t.Error("a host that is a dot is accepted")
	}
}

func TestManifests(t *testing.T) {
	m, err := ParseManifest("x.json", []byte(`{}`))
	if err != nil || m.MemorySize != defaultMemoryMB || m.Timeout != defaultTimeout || len(m.Types) != 3 || !m.To("any") {
		t.Errorf("%+v, %v", m, err)
	}
	for text, want := range map[string]string{
		`{"memorySize":15}`:                          "memorySize: 15",
		`{"timeout":61}`:                             "timeout: 61",
		`{"schemaVersion":"1999"}`:                   "schemaVersion",
		`{"types":["logs"]}`:                         "types",
		`{"buffering":{"maxItems":1}}`:               "maxItems",
		`{"functions":["["]}`:                        "functions[0]",
		`{"allowHosts":["x"]}`:                       "allowHosts[0]",
		`{"allowHosts":["x:0"]}`:                     "allowHosts[0]",
		`{"allowHosts":["http://x:80"]}`:             "allowHosts[0]",
		`{"allowHosts":["a.*.x:80"]}`:                "allowHosts[0]",
		`{"allowHosts":["*.127.0.0.1:80"]}`:          "allowHosts[0]",
		`{"allowHost":[]}`:                           `unknown field "allowHost"`,
		`{"memorySize":15,"allowHosts":["a:1","x"]}`: "allowHosts[1]",
	} {
		if _, err := ParseManifest("x.json", []byte(text)); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "x.json: ") {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func FuzzParseManifest(f *testing.F) {
	f.Add([]byte(`{"functions":["a*"],"types":["platform"],"buffering":{"maxItems":1000},"allowHosts":["*.x:1","[::1]:4318"],"memorySize":64,"timeout":1}`))
	f.Add([]byte(`{"allowHosts":[":1"]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ParseManifest("x.json", data)
		if err != nil {
			return
		}
		if _, err := m.subscription(); err != nil {
			t.Errorf("accepted, and cannot subscribe: %v", err)
		}
		if got := len(newFetcher(m).allow); got != len(m.AllowHosts) {
			t.Errorf("accepted %d hosts, reaches %d", len(m.AllowHosts), got)
		}
	})
}
