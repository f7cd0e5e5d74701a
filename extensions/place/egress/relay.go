package egress

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// What an environment may have at a time. Further connections are refused, further
// datagrams are lost.
const (
	// maxConnecting is how many connections are being made.
	maxConnecting = 64
	// MaxConnections is how many TCP connections there are.
	MaxConnections = 256
	// MaxConversations is how many pairs of UDP ports speak with each other.
	MaxConversations = 128
)

const (
	connectTimeout = 10 * time.Second
	// silence ends a conversation over UDP; one with a resolver after less.
	silence         = time.Minute
	resolverSilence = 10 * time.Second
	maxDatagram     = 64 << 10
)

// relay carries between the stack and the host's network.
type relay struct {
	stack         *stack.Stack
	policy        policy
	connections   chan struct{}
	conversations chan struct{}
}

func newRelay(s *stack.Stack, p policy) *relay {
	return &relay{stack: s, policy: p, connections: make(chan struct{}, MaxConnections), conversations: make(chan struct{}, MaxConversations)}
}

// meant is where a packet was sent to, which is the local address of who answers it.
func meant(id stack.TransportEndpointID) (netip.AddrPort, bool) {
	addr, ok := netip.AddrFromSlice(id.LocalAddress.AsSlice())
	return netip.AddrPortFrom(addr, id.LocalPort), ok
}

func tryTake(from chan struct{}) bool {
	select {
	case from <- struct{}{}:
		return true
	default:
		return false
	}
}

// tcp answers a connection once there is one to where it goes. It has a goroutine of
// its own.
func (r *relay) tcp(request *tcp.ForwarderRequest) {
	dst, ok := meant(request.ID())
	if !ok {
		request.Complete(true)
		return
	}
	target, ok := r.policy.decide(dst)
	if !ok || !tryTake(r.connections) {
		request.Complete(true) // refused
		return
	}
	defer func() { <-r.connections }()
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	outside, err := new(net.Dialer).DialContext(ctx, "tcp", target.String())
	cancel()
	if err != nil {
		request.Complete(true)
		return
	}
	defer func() { _ = outside.Close() }() // both sides have had their end
	var queue waiter.Queue
	endpoint, failure := request.CreateEndpoint(&queue)
	request.Complete(failure != nil)
	if failure != nil {
		return
	}
	endpoint.SocketOptions().SetKeepAlive(true)
	inside := gonet.NewTCPConn(&queue, endpoint)
	defer func() { _ = inside.Close() }()
	splice(inside, outside.(*net.TCPConn))
}

// stream is a connection whose directions end one by one.
type stream interface {
	io.ReadWriter
	CloseWrite() error
	Close() error
}

// splice carries both directions until both have ended. When one breaks, the other
// does as well.
func splice(a, b stream) {
	var both sync.WaitGroup
	carry := func(to, from stream) {
		if _, err := io.Copy(to, from); err != nil {
			_ = errors.Join(a.Close(), b.Close()) // this ends the other direction
			return
		}
		if err := to.CloseWrite(); err != nil {
			_ = errors.Join(a.Close(), b.Close())
		}
	}
	both.Go(func() { carry(a, b) })
	both.Go(func() { carry(b, a) })
	both.Wait()
}

// udp begins a conversation with a first datagram. It must not block.
func (r *relay) udp(request *udp.ForwarderRequest) bool {
	dst, ok := meant(request.ID())
	if !ok {
		return false
	}
	target, ok := r.policy.decide(dst)
	if !ok {
		return false // unreachable
	}
	if !tryTake(r.conversations) {
		return true // lost
	}
	var queue waiter.Queue
	endpoint, failure := request.CreateEndpoint(&queue)
	if failure != nil {
		<-r.conversations
		return true
	}
	inside := gonet.NewUDPConn(&queue, endpoint)
	go func() {
		defer func() { <-r.conversations }()
		defer func() { _ = inside.Close() }() // datagrams are not waited for
		r.converse(inside, target)
	}()
	return true
}

func (r *relay) converse(inside net.Conn, target netip.AddrPort) {
	outside, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(target))
	if err != nil {
		return
	}
	defer func() { _ = outside.Close() }()
	limit := silence
	if target.Port() == portDNS {
		limit = resolverSilence
	}
	heard := func() {
		end := time.Now().Add(limit)
		_ = errors.Join(inside.SetReadDeadline(end), outside.SetReadDeadline(end)) // an ended one has no deadlines
	}
	heard()
	var both sync.WaitGroup
	both.Go(func() { speak(outside, inside, heard); _ = outside.Close() })
	both.Go(func() { speak(inside, outside, heard); _ = inside.Close() })
	both.Wait()
}

// speak carries datagrams until nothing was heard for a while.
func speak(to, from net.Conn, heard func()) {
	datagram := make([]byte, maxDatagram)
	for {
		n, err := from.Read(datagram)
		if err != nil {
			return
		}
		heard()
		if _, err := to.Write(datagram[:n]); err != nil {
			return
		}
	}
}
