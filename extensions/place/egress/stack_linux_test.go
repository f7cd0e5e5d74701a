package egress

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

// limit bounds every wait of a test.
const limit = 20 * time.Second

// inside is a machine on the link: what a network namespace is otherwise, made of the
// same stack, so that these tests need no rights.
type inside struct {
	t     *testing.T
	stack *stack.Stack
	link  *os.File // its end
}

// newInside serves a link and puts a machine onto it.
func newInside(t *testing.T, cfg Config) *inside {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, its := os.NewFile(uintptr(fds[0]), "inside"), os.NewFile(uintptr(fds[1]), "outside")
	served := make(chan error, 1)
	go func() { served <- Serve(its, cfg) }()
	m := &inside{t: t, link: ours, stack: stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, ipv6.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol},
	})}
	endpoint := channel.New(queued, MTU, "")
	if err := m.stack.CreateNIC(nic, endpoint); err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []netip.Prefix{Inside4, Inside6} {
		protocol := ipv4.ProtocolNumber
		if prefix.Addr().Is6() {
			protocol = ipv6.ProtocolNumber
		}
		address := tcpip.ProtocolAddress{Protocol: protocol, AddressWithPrefix: tcpip.AddressWithPrefix{Address: tcpip.AddrFromSlice(prefix.Addr().AsSlice()), PrefixLen: prefix.Bits()}}
		if err := m.stack.AddProtocolAddress(nic, address, stack.AddressProperties{}); err != nil {
			t.Fatal(err)
		}
	}
	m.stack.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: nic}, {Destination: header.IPv6EmptySubnet, NIC: nic}})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for packet := endpoint.ReadContext(ctx); packet != nil; packet = endpoint.ReadContext(ctx) {
			view := packet.ToView()
			ours.Write(view.AsSlice())
			view.Release()
			packet.DecRef()
		}
	}()
	go func() {
		packet := make([]byte, MTU)
		for {
			n, err := ours.Read(packet)
			if err != nil || n == 0 {
				return
			}
			inject(endpoint, packet[:n])
		}
	}()
	t.Cleanup(func() {
		cancel()
		its.Close()
		ours.Close()
		m.stack.Close()
		if err := <-served; err == nil {
			t.Error("the end of the link is no error")
		}
	})
	return m
}

func address(t testing.TB, addr netip.AddrPort) (tcpip.FullAddress, tcpip.NetworkProtocolNumber) {
	t.Helper()
	protocol := ipv4.ProtocolNumber
	if addr.Addr().Is6() {
		protocol = ipv6.ProtocolNumber
	}
	return tcpip.FullAddress{NIC: nic, Addr: tcpip.AddrFromSlice(addr.Addr().AsSlice()), Port: addr.Port()}, protocol
}

func (m *inside) dial(addr string) (*gonet.TCPConn, error) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), limit)
	defer cancel()
	to, protocol := address(m.t, netip.MustParseAddrPort(addr))
	return gonet.DialContextTCP(ctx, m.stack, to, protocol)
}

func (m *inside) mustDial(addr string) *gonet.TCPConn {
	m.t.Helper()
	conn, err := m.dial(addr)
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { conn.Close() })
	return conn
}

func (m *inside) converse(addr string) *gonet.UDPConn {
	m.t.Helper()
	to, protocol := address(m.t, netip.MustParseAddrPort(addr))
	conn, err := gonet.DialUDP(m.stack, nil, &to, protocol)
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(limit))
	return conn
}

// serve listens on the host's loopback and hands each connection out.
func serve(t *testing.T, handle func(*net.TCPConn)) (port uint16) {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go handle(conn.(*net.TCPConn))
		}
	}()
	return listener.Addr().(*net.TCPAddr).AddrPort().Port()
}

func allowing(port uint16) Config {
	return Config{Mode: None, Allow: []Rule{{Host: true, Port: port}}}
}

func standIn(port uint16) string { return netip.AddrPortFrom(host4, port).String() }

// TestConnectionsAreCarried: both directions, more than any window, each with its end.
func TestConnectionsAreCarried(t *testing.T) {
	data := make([]byte, 8*window)
	rand.Read(data)
	port := serve(t, func(c *net.TCPConn) {
		defer c.Close()
		all, _ := io.ReadAll(c) // to its end, before anything is answered
		c.Write(all)
		fmt.Fprintf(c, "%d", len(all))
	})
	conn := newInside(t, allowing(port)).mustDial(standIn(port))
	conn.SetDeadline(time.Now().Add(limit))
	if _, err := conn.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if err != nil || !bytes.Equal(got, append(data, fmt.Sprint(len(data))...)) {
		t.Errorf("%d bytes came back of %d (%v)", len(got), len(data), err)
	}
}

func TestWhatIsNotAllowedIsRefused(t *testing.T) {
	served := make(chan string, 1)
	port := serve(t, func(c *net.TCPConn) { served <- c.RemoteAddr().String(); c.Close() })
	cfg := allowing(port + 1)
	cfg.Mode = All
	m := newInside(t, cfg)
	began := time.Now()
	targets := []string{standIn(port), "169.254.169.254:80", "[fd00:ec2::254]:80"}
	for _, own := range ownAddresses()() {
		if own.IsGlobalUnicast() { // the others are not sent to a link
			targets = append(targets, netip.AddrPortFrom(own, port).String())
		}
	}
	for _, target := range targets {
		if conn, err := m.dial(target); err == nil {
			conn.Close()
			t.Errorf("%s is reached", target)
		}
	}
	if took := time.Since(began); took > limit {
		t.Errorf("being refused took %s", took)
	}
	select {
	case who := <-served:
		t.Errorf("the server was reached by %s", who)
	default:
	}
}

// TestAConnectionThatBreaksBreaksInside: a reset is no orderly end.
func TestAConnectionThatBreaksBreaksInside(t *testing.T) {
	port := serve(t, func(c *net.TCPConn) {
		c.Read(make([]byte, 1))
		c.SetLinger(0)
		c.Close()
	})
	m := newInside(t, allowing(port))
	conn := m.mustDial(standIn(port))
	conn.SetDeadline(time.Now().Add(limit))
	conn.Write([]byte("x"))
	if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("read %d bytes, %v", n, err)
	}
	// And where nobody listens, nobody answers.
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := listener.Addr().(*net.TCPAddr).AddrPort().Port()
	listener.Close()
	if conn, err := newInside(t, allowing(closed)).dial(standIn(closed)); err == nil {
		conn.Close()
		t.Error("a port that nobody listens on is reached")
	}
}

// TestConnectionsAreBounded: one more than there may be is refused, and admitted when
// another has ended.
func TestConnectionsAreBounded(t *testing.T) {
	port := serve(t, func(c *net.TCPConn) { io.Copy(io.Discard, c); c.Close() })
	m := newInside(t, allowing(port))
	var open []*gonet.TCPConn
	for range MaxConnections {
		open = append(open, m.mustDial(standIn(port)))
	}
	if conn, err := m.dial(standIn(port)); err == nil {
		conn.Close()
		t.Errorf("there are more than %d connections", MaxConnections)
	}
	open[0].Close()
	for end := time.Now().Add(limit); ; {
		conn, err := m.dial(standIn(port))
		if err == nil {
			conn.Close()
			break
		}
		if time.Now().After(end) {
			t.Fatal("no connection was admitted after one had ended")
		}
	}
}

// echoDatagrams answers every datagram on the host's loopback.
func echoDatagrams(t *testing.T) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		datagram := make([]byte, maxDatagram)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(datagram)
			if err != nil {
				return
			}
			conn.WriteToUDPAddrPort(append([]byte("echo "), datagram[:n]...), from)
		}
	}()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

func TestDatagramsAreCarried(t *testing.T) {
	server := echoDatagrams(t)
	m := newInside(t, Config{Mode: None, Allow: []Rule{{Host: true, Port: server.Port()}}})
	conn := m.converse(standIn(server.Port()))
	for _, text := range []string{"one", "two", string(make([]byte, 8<<10))} {
		conn.Write([]byte(text))
		got := make([]byte, maxDatagram)
		if n, err := conn.Read(got); err != nil || string(got[:n]) != "echo "+text {
			t.Errorf("got %d bytes, %v", n, err)
		}
	}
}

// TestResolversAreReached: at the addresses that resolv.conf has inside, over UDP and
// TCP.
func TestResolversAreReached(t *testing.T) {
	resolver := echoDatagrams(t)
	cfg := Config{Mode: Public, Resolvers: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1"), resolver}}
	conn := newInside(t, cfg).converse(netip.AddrPortFrom(resolver4.Next(), portDNS).String())
	conn.Write([]byte("query"))
	got := make([]byte, 100)
	if n, err := conn.Read(got); err != nil || string(got[:n]) != "echo query" {
		t.Errorf("got %q, %v", got[:n], err)
	}
	port := serve(t, func(c *net.TCPConn) { io.Copy(c, c); c.Close() })
	cfg.Resolvers = []netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)}
	newInside(t, cfg).mustDial(netip.AddrPortFrom(resolver4, portDNS).String())
}

// TestConversationsAreBounded: more of them than there may be are lost, and what was
// open goes on.
func TestConversationsAreBounded(t *testing.T) {
	server := echoDatagrams(t)
	m := newInside(t, Config{Mode: None, Allow: []Rule{{Host: true, Port: server.Port()}}})
	speak := func(conn *gonet.UDPConn, wait time.Duration) error {
		conn.SetDeadline(time.Now().Add(wait))
		conn.Write([]byte("x"))
		_, err := conn.Read(make([]byte, 100))
		return err
	}
	var first *gonet.UDPConn
	for i := range MaxConversations {
		conn := m.converse(standIn(server.Port()))
		if err := speak(conn, limit); err != nil {
			t.Fatalf("conversation %d: %v", i+1, err)
		}
		if first == nil {
			first = conn
		}
	}
	if err := speak(m.converse(standIn(server.Port())), 100*time.Millisecond); err == nil {
		t.Errorf("there are more than %d conversations", MaxConversations)
	}
	if err := speak(first, limit); err != nil {
		t.Error(err)
	}
}

func TestOnlyPacketsThatLeaveMakeAStack(t *testing.T) {
	four := func(to [4]byte) []byte {
		return append(append([]byte{0x45, 0, 0, 20, 0, 0, 0, 0, 64, 17, 0, 0, 169, 254, 76, 2}, to[:]...), 0)
	}
	six := append([]byte{0x60}, make([]byte, 40)...)
	solicitation := append([]byte{0x60}, make([]byte, 40)...)
	solicitation[24], solicitation[25] = 0xff, 0x02
	for name, c := range map[string]struct {
		packet []byte
		want   bool
	}{
		"IPv4":           {four([4]byte{8, 8, 8, 8}), true},
		"IPv4 multicast": {four([4]byte{224, 0, 0, 22}), false},
		"IPv6":           {six, true},
		"IPv6 multicast": {solicitation, false},
		"nothing":        {nil, false},
		"half a header":  {[]byte{0x45, 0}, false},
		"half a header6": {[]byte{0x60, 0}, false},
		"another":        {[]byte{0x15, 0}, false},
	} {
		if got := leaves(c.packet); got != c.want {
			t.Errorf("%s leaves: %v", name, got)
		}
	}
}

// quiet is a link with one packet.
type quiet struct {
	packet []byte
	then   func() // before there is no second
}

func (q *quiet) Write(p []byte) (int, error) { return len(p), nil }

func (q *quiet) Read(p []byte) (int, error) {
	if q.packet == nil {
		q.then()
		return 0, io.EOF
	}
	n := copy(p, q.packet)
	q.packet = nil
	return n, nil
}

// TestAStackIsMadeWhenItIsNeeded: it has goroutines of its own.
func TestAStackIsMadeWhenItIsNeeded(t *testing.T) {
	packet := append([]byte{0x45, 0, 0, 20, 0, 0, 0, 0, 64, 17, 0, 0, 169, 254, 76, 2}, 224, 0, 0, 22)
	for _, leaves := range []bool{false, true} {
		if leaves {
			packet[16] = 8
		}
		before, after := runtime.NumGoroutine(), 0
		err := Serve(&quiet{packet: packet, then: func() { after = runtime.NumGoroutine() }}, Config{Mode: None})
		if !errors.Is(err, io.EOF) {
			t.Errorf("it ended with %v", err)
		}
		if made := after > before; made != leaves {
			t.Errorf("of %d goroutines became %d by a packet that leaves: %v", before, after, leaves)
		}
	}
}

// FuzzLink sends packets of any kind to a stack: none of them may end the process.
func FuzzLink(f *testing.F) {
	f.Add([]byte{0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 169, 254, 76, 2, 8, 8, 8, 8, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0})
	f.Add([]byte{0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 169, 254, 76, 2, 8, 8, 8, 8, 0, 1, 0, 2, 0, 8, 0, 0})
	f.Add(append([]byte{0x60, 0, 0, 0, 0, 8, 58, 64}, make([]byte, 40)...))
	endpoint, err := newStack(Config{Mode: None})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(_ *testing.T, packet []byte) {
		if len(packet) > 0 && leaves(packet) {
			inject(endpoint, packet[:min(len(packet), MTU)])
		}
		for out := endpoint.Read(); out != nil; out = endpoint.Read() {
			out.DecRef()
		}
	})
}
