// Package egress is the way out of an environment's network: what its processes
// send through their one link comes to a TCP/IP stack in this process, which
// connects to where it was meant to go, if the policy lets it, and carries the
// bytes.
//
// Nothing is routed and no packet of the processes leaves: each connection is one
// of this process, made by its rights and seen by its firewalls. Names are resolved
// by the host's resolvers, at addresses of their own inside.
//
// policy.go decides, stack.go is the link and the stack, relay.go carries. The stack
// is gVisor's; it is built for what sends hostile packets, and yet runs in a process
// that belongs to one environment (package keeper).
package egress

import (
	"fmt"
	"net/netip"
	"strings"
)

// The link. Its addresses are those of a link and nobody's elsewhere, as every
// environment has the same.
var (
	// Inside4 and Inside6 are the processes' own addresses.
	Inside4 = netip.MustParsePrefix("169.254.76.2/24")
	Inside6 = netip.MustParsePrefix("fd4c:616d:6265:6e74::2/64")
	// host4 stands for the host's own loopback.
	host4 = netip.MustParseAddr("169.254.76.1")
	// resolver4 is the first of the addresses that stand for the host's resolvers.
	resolver4 = netip.MustParseAddr("169.254.76.53")
)

// HostName is the name of the host's loopback, inside.
const HostName = "host.lambent.internal"

// MTU is the size of the link's largest packet. It has no wire to fit.
const MTU = 16 << 10

const (
	// maxResolvers is how many a resolv.conf may name (resolv.conf(5)).
	maxResolvers = 3
	portDNS      = 53
)

// Config is a way out.
type Config struct {
	// Mode is what may be reached beside what is allowed one by one.
	Mode Mode
	// Allow are places that may be reached in any mode.
	Allow []Rule
	// Resolvers are asked for names, in every mode but None. At most three.
	Resolvers []netip.AddrPort
	// Search are the domains that names are tried in.
	Search []string
	// IPv6 says that the host has a way there.
	IPv6 bool
}

// Hosts are the lines of /etc/hosts for what the link stands for.
func (c Config) Hosts() string { return host4.String() + " " + HostName + "\n" }

// ResolvConf is the text of /etc/resolv.conf.
func (c Config) ResolvConf() string {
	if c.Mode == None {
		return "# there is no way out for names\n"
	}
	var text strings.Builder
	addr := resolver4
	for range c.resolvers() {
		fmt.Fprintf(&text, "nameserver %s\n", addr)
		addr = addr.Next()
	}
	if len(c.Search) > 0 {
		fmt.Fprintf(&text, "search %s\n", strings.Join(c.Search, " "))
	}
	return text.String()
}

func (c Config) resolvers() []netip.AddrPort {
	return c.Resolvers[:min(len(c.Resolvers), maxResolvers)]
}

// ParseResolvConf reads what a host's resolv.conf says of resolvers and domains.
// What it does not understand it leaves out.
func ParseResolvConf(text string) (resolvers []netip.AddrPort, search []string) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		switch fields[0] {
		case "nameserver":
			if addr, err := netip.ParseAddr(fields[1]); err == nil && len(resolvers) < maxResolvers {
				resolvers = append(resolvers, netip.AddrPortFrom(addr, portDNS))
			}
		case "search", "domain":
			search = fields[1:]
		}
	}
	return resolvers, search
}
