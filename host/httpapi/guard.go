package httpapi

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"github.com/lambent-host/lambent/host/lambdaapi"
)

// guard refuses what a web page of somebody else makes a browser send: a host on
// loopback is within reach of every page its user opens.
//
// A page has two ways. It can send to the host's address; a browser marks that
// as coming from another origin. Or its own name can be made to mean 127.0.0.1
// once it is loaded (DNS rebinding); nothing is marked then, and it can read the
// answers too, but the Host header has the page's name.
func (r *router) guard(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		deny(w, lambdaapi.Errorf(lambdaapi.CodeAccessDenied, "Requests from web pages of another origin are refused."))
	}))
	protected := protection.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, hr *http.Request) {
		if overLoopback(hr) && !localName(hr.Host) {
			deny(w, lambdaapi.Errorf(lambdaapi.CodeAccessDenied, "The name %q in the Host header cannot be this host's on a loopback address; use localhost or an address.", shown(hr.Host)))
			return
		}
		protected.ServeHTTP(w, hr)
	})
}

func deny(w http.ResponseWriter, e *lambdaapi.Error) {
	w.Header().Set(lambdaapi.HeaderRequestID, uuid.NewString())
	w.Header().Set(lambdaapi.HeaderErrorType, e.Code)
	w.Header().Set(echo.HeaderContentType, echo.MIMEApplicationJSON)
	w.WriteHeader(e.Status)
	_, _ = w.Write(e.Body())
}

// overLoopback tells whether a request came in on a loopback address.
func overLoopback(hr *http.Request) bool {
	addr, ok := hr.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ok && addr.IP.IsLoopback()
}

// privateSuffixes end names that no public DNS server answers for (RFC 6761,
// RFC 6762, and ICANN's reservation of .internal).
var privateSuffixes = []string{".localhost", ".local", ".internal", ".test"}

// localName tells whether a Host header is an address or a name that the owner
// of a web page cannot have: one without a dot, or of a private domain.
func localName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil || !strings.Contains(host, ".") {
		return true
	}
	for _, suffix := range privateSuffixes {
		if strings.HasSuffix(host, suffix) {
			return true
		}
	}
	return false
}
