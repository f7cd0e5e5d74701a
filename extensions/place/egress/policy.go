package egress

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Mode is what may be reached.
type Mode string

// Modes.
const (
	// Public is the internet: addresses that are routed there. Not private networks,
	// not the host's own addresses.
	Public Mode = "public"
	// All is private networks as well. Not the host's own addresses, its loopback, or
	// what a link or a cloud keeps for itself.
	All Mode = "all"
	// None is nothing, not even names.
	None Mode = "none"
)

// ParseMode reads a mode.
func ParseMode(text string) (Mode, error) {
	switch m := Mode(text); m {
	case Public, All, None:
		return m, nil
	}
	return "", fmt.Errorf("%q is not one of public, all, none", text)
}

// Rule allows what its mode does not. The zero rule allows nothing.
type Rule struct {
	// Host allows a port of the host's loopback, as HostName:port; Prefix a network.
	Host   bool         `json:",omitempty"`
	Prefix netip.Prefix `json:",omitzero"`
	// Port is the one that is allowed; 0 means any.
	Port uint16 `json:",omitempty"`
}

// ParseRule reads host:PORT, or an address or network with or without a port, as in
// 10.1.2.3:4318, 10.0.0.0/8, [fd00::/8]:443.
func ParseRule(text string) (Rule, error) {
	where, port, err := splitPort(text)
	if err != nil {
		return Rule{}, err
	}
	if where == "host" {
		if port == 0 {
			return Rule{}, fmt.Errorf("%q: a port of the host is needed, as in host:4318", text)
		}
		return Rule{Host: true, Port: port}, nil
	}
	prefix, err := netip.ParsePrefix(where)
	if err != nil {
		var addr netip.Addr
		if addr, err = netip.ParseAddr(where); err != nil {
			return Rule{}, fmt.Errorf("%q is neither host:PORT nor an address or network", text)
		}
		if addr.Zone() != "" {
			return Rule{}, fmt.Errorf("%q: a zone is of one link, and there is another inside", text)
		}
		prefix = netip.PrefixFrom(addr, addr.BitLen())
	}
	if prefix.Addr().Is4In6() {
		return Rule{}, fmt.Errorf("%q: write the IPv4 address alone", text)
	}
	if prefix.Addr().IsLoopback() {
		return Rule{}, fmt.Errorf("%q: the loopback an extension sees is its own; host:PORT allows a port of the host's", text)
	}
	return Rule{Prefix: prefix.Masked(), Port: port}, nil
}

// splitPort takes the port off, if there is one.
func splitPort(text string) (where string, port uint16, err error) {
	where = text
	if inner, after, ok := strings.Cut(strings.TrimPrefix(text, "["), "]"); ok && strings.HasPrefix(text, "[") {
		where, text = inner, after
		if text == "" {
			return where, 0, nil
		}
	} else if strings.Count(text, ":") != 1 {
		return where, 0, nil // an IPv6 address, or no port
	}
	before, digits, _ := strings.Cut(text, ":")
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || n == 0 {
		return "", 0, fmt.Errorf("%q is no port", digits)
	}
	if before != "" {
		where = before
	}
	return where, uint16(n), nil
}

// special are networks that no mode reaches: a link's, the host's, a cloud's for its
// machines, nobody's, or another in disguise.
var special = prefixes(
	"0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3",
	"100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32", "fd00:ec2::/32", "fd20:ce::/32", // clouds' metadata
	"::/8", "64:ff9b::/32", "100::/64", "2001::/32", "2002::/16", "fe80::/10", "fec0::/10", "ff00::/8",
	Inside6.String(),
)

// private are networks that mode Public does not reach: those of IANA's registries of
// special purposes that are not special already.
var private = prefixes(
	"10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16",
	"198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16", "fc00::/7",
)

func prefixes(texts ...string) []netip.Prefix {
	all := make([]netip.Prefix, 0, len(texts))
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text).Masked())
	}
	return all
}

func within(addr netip.Addr, networks []netip.Prefix) bool {
	for _, network := range networks {
		if network.Contains(addr) {
			return true
		}
	}
	return false
}

// policy decides. It is safe for concurrent use.
type policy struct {
	cfg Config
	own func() []netip.Addr // the host's addresses
}

// decide returns where a connection to dst is made to, if it may be made.
func (p policy) decide(dst netip.AddrPort) (netip.AddrPort, bool) {
	addr := dst.Addr().Unmap()
	if Inside4.Masked().Contains(addr) {
		return p.standIn(addr, dst.Port())
	}
	for _, rule := range p.cfg.Allow {
		if !rule.Host && rule.Prefix.Contains(addr) && (rule.Port == 0 || rule.Port == dst.Port()) {
			return netip.AddrPortFrom(addr, dst.Port()), true
		}
	}
	if p.cfg.Mode != Public && p.cfg.Mode != All {
		return netip.AddrPort{}, false
	}
	if within(addr, special) || p.cfg.Mode == Public && within(addr, private) {
		return netip.AddrPort{}, false
	}
	for _, own := range p.own() {
		if own == addr {
			return netip.AddrPort{}, false
		}
	}
	return netip.AddrPortFrom(addr, dst.Port()), true
}

// standIn is for the addresses of the link, which stand for something else.
func (p policy) standIn(addr netip.Addr, port uint16) (netip.AddrPort, bool) {
	if addr == host4 {
		for _, rule := range p.cfg.Allow {
			if rule.Host && rule.Port == port {
				return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port), true
			}
		}
		return netip.AddrPort{}, false
	}
	if p.cfg.Mode == None || port != portDNS {
		return netip.AddrPort{}, false
	}
	stand := resolver4
	for _, resolver := range p.cfg.resolvers() {
		if addr == stand {
			return resolver, true
		}
		stand = stand.Next()
	}
	return netip.AddrPort{}, false
}

// ownFor is how long the host's addresses are believed to stay what they are.
const ownFor = 5 * time.Second

// ownAddresses returns the addresses of this machine, asking for them now and then.
func ownAddresses() func() []netip.Addr {
	var mu sync.Mutex
	var all []netip.Addr
	var asked time.Time
	return func() []netip.Addr {
		mu.Lock()
		defer mu.Unlock()
		if time.Since(asked) < ownFor {
			return all
		}
		addrs, err := net.InterfaceAddrs()
		if err != nil {
			return all
		}
		asked, all = time.Now(), nil
		for _, a := range addrs {
			if network, ok := a.(*net.IPNet); ok {
				if addr, ok := netip.AddrFromSlice(network.IP); ok {
					all = append(all, addr.Unmap())
				}
			}
		}
		return all
	}
}
