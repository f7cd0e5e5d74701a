package egress

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func rules(t testing.TB, texts ...string) (all []Rule) {
	t.Helper()
	for _, text := range texts {
		rule, err := ParseRule(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, rule)
	}
	return all
}

// own are the addresses that the host has in tests.
func own() []netip.Addr {
	return []netip.Addr{netip.MustParseAddr("10.9.9.9"), netip.MustParseAddr("8.8.4.4"), netip.MustParseAddr("2600::9")}
}

func TestWhatEachModeReaches(t *testing.T) {
	type reached struct{ public, all, none bool }
	nowhere, everywhere, privately := reached{}, reached{public: true, all: true}, reached{all: true}
	for target, want := range map[string]reached{
		"8.8.8.8:443":                everywhere,
		"1.1.1.1:53":                 everywhere,
		"[2606:4700::1111]:443":      everywhere,
		"[::ffff:8.8.8.8]:443":       everywhere,
		"10.0.0.1:443":               privately,
		"172.16.0.1:443":             privately,
		"172.32.0.1:443":             everywhere,
		"192.168.1.1:443":            privately,
		"100.64.0.1:443":             privately,
		"198.18.0.1:443":             privately,
		"203.0.113.5:443":            privately,
		"[fc00::1]:443":              privately,
		"[fd12::1]:443":              privately,
		"[2001:db8::1]:443":          privately,
		"[::ffff:10.0.0.1]:443":      privately,
		"127.0.0.1:9400":             nowhere,
		"127.9.9.9:443":              nowhere,
		"[::1]:443":                  nowhere,
		"[::ffff:127.0.0.1]:443":     nowhere,
		"[::127.0.0.1]:443":          nowhere,
		"0.0.0.0:443":                nowhere,
		"[::]:443":                   nowhere,
		"169.254.169.254:80":         nowhere,
		"[::ffff:169.254.169.254]:1": nowhere,
		"169.254.170.2:80":           nowhere,
		"[fe80::1]:443":              nowhere,
		"[fd00:ec2::254]:80":         nowhere,
		"100.100.100.200:80":         nowhere,
		"168.63.129.16:80":           nowhere,
		"224.0.0.251:5353":           nowhere,
		"255.255.255.255:67":         nowhere,
		"240.0.0.1:443":              nowhere,
		"[ff02::1]:443":              nowhere,
		"[64:ff9b::7f00:1]:443":      nowhere, // IPv4 in disguise
		"[2002:7f00:1::]:443":        nowhere,
		"[2001:0:1::]:443":           nowhere,
		"10.9.9.9:443":               nowhere, // the host's own
		"8.8.4.4:443":                nowhere,
		"[2600::9]:443":              nowhere,
		"169.254.76.1:443":           nowhere,
		"169.254.76.2:443":           nowhere,
	} {
		dst := netip.MustParseAddrPort(target)
		for mode, want := range map[Mode]bool{Public: want.public, All: want.all, None: want.none, "": false, "other": false} {
			got, ok := policy{cfg: Config{Mode: mode}, own: own}.decide(dst)
			if ok != want {
				t.Errorf("%s with %q: reached %v, want %v", target, mode, ok, want)
			}
			if plain := netip.AddrPortFrom(dst.Addr().Unmap(), dst.Port()); ok && got != plain {
				t.Errorf("%s with %q leads to %s", target, mode, got)
			}
		}
	}
}

func TestRulesAllowWhatModesDoNot(t *testing.T) {
	p := policy{cfg: Config{Mode: None, Allow: rules(t, "host:4318", "10.1.0.0/16:443", "192.168.0.1", "[fd00::/8]:8080", "169.254.169.254:80", "10.9.9.9:1")}, own: own}
	for target, want := range map[string]string{
		"169.254.76.1:4318":  "127.0.0.1:4318",
		"169.254.76.1:4317":  "",
		"10.1.2.3:443":       "10.1.2.3:443",
		"10.1.2.3:80":        "",
		"10.2.2.3:443":       "",
		"192.168.0.1:1":      "192.168.0.1:1",
		"192.168.0.2:1":      "",
		"[fd99::1]:8080":     "[fd99::1]:8080",
		"[fd99::1]:80":       "",
		"169.254.169.254:80": "169.254.169.254:80", // said so
		"169.254.169.254:81": "",
		"10.9.9.9:1":         "10.9.9.9:1",
		"8.8.8.8:443":        "",
	} {
		got, ok := p.decide(netip.MustParseAddrPort(target))
		if ok != (want != "") || ok && got.String() != want {
			t.Errorf("%s leads to %s (%v), want %q", target, got, ok, want)
		}
	}
}

func TestNamesGoToTheHostsResolvers(t *testing.T) {
	resolvers, search := ParseResolvConf("# a comment\nnameserver 127.0.0.53\nnameserver nonsense\nnameserver\nnameserver fd00::1\n nameserver 10.0.0.2\nnameserver 10.0.0.3\ndomain old\nsearch a.test b.test\noptions ndots:2\n")
	if want := []string{"127.0.0.53:53", "[fd00::1]:53", "10.0.0.2:53"}; !slices.EqualFunc(resolvers, want, func(a netip.AddrPort, b string) bool { return a.String() == b }) {
		t.Fatalf("resolvers %v, want %v", resolvers, want)
	}
	cfg := Config{Mode: Public, Resolvers: resolvers, Search: search}
	if got, want := cfg.ResolvConf(), "nameserver 169.254.76.53\nnameserver 169.254.76.54\nnameserver 169.254.76.55\nsearch a.test b.test\n"; got != want {
		t.Errorf("inside it says %q, want %q", got, want)
	}
	for target, want := range map[string]string{
		"169.254.76.53:53": "127.0.0.53:53", "169.254.76.54:53": "[fd00::1]:53", "169.254.76.55:53": "10.0.0.2:53",
		"169.254.76.56:53": "", "169.254.76.53:54": "", "127.0.0.53:53": "", "169.254.76.1:53": "",
	} {
		got, ok := policy{cfg: cfg, own: own}.decide(netip.MustParseAddrPort(target))
		if ok != (want != "") || ok && got.String() != want {
			t.Errorf("%s leads to %s (%v), want %q", target, got, ok, want)
		}
	}
	cfg.Mode = None
	if _, ok := (policy{cfg: cfg, own: own}).decide(netip.MustParseAddrPort("169.254.76.53:53")); ok || strings.Contains(cfg.ResolvConf(), "nameserver") {
		t.Error("names are resolved although nothing may be reached")
	}
}

func TestRulesAndModesAreRead(t *testing.T) {
	for text, want := range map[string]string{
		"host:4318": "", "10.0.0.0/8": "10.0.0.0/8", "10.1.2.3/8": "10.0.0.0/8", "10.1.2.3": "10.1.2.3/32",
		"10.1.2.3:80": "10.1.2.3/32", "10.0.0.0/8:80": "10.0.0.0/8", "fd00::/8": "fd00::/8", "fd00::1": "fd00::1/128",
		"[fd00::1]:80": "fd00::1/128", "[fd00::1]": "fd00::1/128", "[fd00::/8]:80": "fd00::/8",
	} {
		rule := rules(t, text)[0]
		if rule.Host != (text == "host:4318") || !rule.Host && rule.Prefix.String() != want {
			t.Errorf("%s is read as %+v", text, rule)
		}
		if port := strings.HasSuffix(text, ":80") || rule.Host; port != (rule.Port != 0) {
			t.Errorf("%s is read with port %d", text, rule.Port)
		}
	}
	for _, text := range []string{"", "host", "host:0", "host:70000", "host:x", "10.0.0.0/33", "example.com:80", "127.0.0.1:80", "::1", "[::1]:80", ":80", "10.0.0.1:", "fe80::1%eth0", "::ffff:10.0.0.1", "[10.0.0.1", "[fd00::1]x:80"} {
		if rule, err := ParseRule(text); err == nil {
			t.Errorf("%q is read as %+v", text, rule)
		}
	}
	for _, text := range []string{"public", "all", "none"} {
		if mode, err := ParseMode(text); err != nil || string(mode) != text {
			t.Errorf("%q is read as %q (%v)", text, mode, err)
		}
	}
	if _, err := ParseMode("some"); err == nil {
		t.Error("some is a mode")
	}
}

// No address that a process of this machine answers at is ever a target, whatever way
// it is written, unless a rule names it.
func TestThisMachineIsNeverReached(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var addr netip.Addr
		if rapid.Bool().Draw(t, "four") {
			addr = netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "addr")))
		} else {
			addr = netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "addr")))
		}
		mode := rapid.SampledFrom([]Mode{Public, All, None}).Draw(t, "mode")
		target, ok := policy{cfg: Config{Mode: mode}, own: own}.decide(netip.AddrPortFrom(addr, 80))
		if !ok {
			return
		}
		to := target.Addr()
		if to.IsLoopback() || to.IsUnspecified() || to.IsLinkLocalUnicast() || to.IsMulticast() || to.Is4In6() || slices.Contains(own(), to) {
			t.Fatalf("%s leads to %s", addr, to)
		}
		if mode == None || mode == Public && to.IsPrivate() {
			t.Fatalf("%s is reached with %s", to, mode)
		}
	})
}

func TestTheHostsAddressesAreFoundOut(t *testing.T) {
	all := ownAddresses()()
	if !slices.Contains(all, netip.MustParseAddr("127.0.0.1")) {
		t.Errorf("the host's addresses are %v", all)
	}
}

func FuzzParseRule(f *testing.F) {
	for _, text := range []string{"host:1", "10.0.0.0/8:80", "[fd00::/8]:443", "::1", "[[]]:1", "1.2.3.4:", "host:host"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rule, err := ParseRule(text)
		if err == nil && !rule.Host && (!rule.Prefix.IsValid() || rule.Prefix.Addr().IsLoopback()) {
			t.Errorf("%q is read as %+v", text, rule)
		}
	})
}

func FuzzParseResolvConf(f *testing.F) {
	f.Add("nameserver 1.2.3.4\nsearch a b\n")
	f.Add("nameserver\nnameserver ::1%lo\n\tdomain\n")
	f.Fuzz(func(t *testing.T, text string) {
		resolvers, _ := ParseResolvConf(text)
		if len(resolvers) > maxResolvers {
			t.Errorf("%d resolvers", len(resolvers))
		}
	})
}
