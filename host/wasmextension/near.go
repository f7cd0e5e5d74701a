package wasmextension

import (
	"net"
	"net/netip"
)

// near tells an address of this machine, of its link, or of the metadata service of a
// cloud: whoever answers for a name must not lead an extension there.
func (f *fetcher) near(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	if inner, ok := embedded(addr); ok && f.near(inner) {
		return true
	}
	if addr.IsLoopback() || addr.IsUnspecified() || addr.IsLinkLocalUnicast() || addr.IsMulticast() || metadata[addr] {
		return true
	}
	own, err := f.own() // each time: addresses come and go
	if err != nil {
		return true
	}
	for _, a := range own {
		if prefix, ok := a.(*net.IPNet); ok {
			if mine, ok := netip.AddrFromSlice(prefix.IP); ok && mine.Unmap() == addr {
				return true
			}
		}
	}
	return false
}

// metadata are the services of clouds that are not at a link-local address: AWS's over
// IPv6, Azure's, Alibaba's and Oracle's.
var metadata = map[netip.Addr]bool{
	netip.MustParseAddr("fd00:ec2::254"):   true,
	netip.MustParseAddr("168.63.129.16"):   true,
	netip.MustParseAddr("100.100.100.200"): true,
	netip.MustParseAddr("192.0.0.192"):     true,
}

// Forms of IPv6 that a gateway turns into the IPv4 address in them.
var (
	nat64      = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052
	compatible = netip.MustParsePrefix("::/96")        // RFC 4291, 2.5.5.1
	sixToFour  = netip.MustParsePrefix("2002::/16")    // RFC 3056
)

func embedded(addr netip.Addr) (netip.Addr, bool) {
	if !addr.Is6() {
		return netip.Addr{}, false
	}
	b := addr.As16()
	switch {
	case nat64.Contains(addr), compatible.Contains(addr):
		return netip.AddrFrom4([4]byte(b[12:])), true
	case sixToFour.Contains(addr):
		return netip.AddrFrom4([4]byte(b[2:6])), true
	}
	return netip.Addr{}, false
}
