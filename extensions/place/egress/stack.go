package egress

import (
	"context"
	"fmt"
	"io"
	"net/netip"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

const (
	// queued is how many packets wait to be written to the link; more are lost, as on
	// any link.
	queued = 256
	nic    = tcpip.NICID(1)
	// maxPacket is how large a packet may be that the system has not cut up.
	maxPacket = 64 << 10
	// window bounds what one connection holds in each direction, in bytes.
	window = 256 << 10
)

// Serve carries what comes out of the link until reading from it fails. The stack is
// made with the first packet that goes somewhere: most environments may never send
// one.
func Serve(link io.ReadWriter, cfg Config) error {
	packet := make([]byte, maxPacket)
	var endpoint *channel.Endpoint
	for {
		n, err := link.Read(packet)
		if err != nil {
			return fmt.Errorf("read from the link: %w", err)
		}
		if !leaves(packet[:n]) {
			continue
		}
		if endpoint == nil {
			if endpoint, err = newStack(cfg); err != nil {
				return err
			}
			go write(link, endpoint)
		}
		inject(endpoint, packet[:n])
	}
}

// leaves tells a packet that goes to one address from what the system sends to a
// link by itself.
func leaves(packet []byte) bool {
	switch header.IPVersion(packet) {
	case header.IPv4Version:
		return len(packet) >= header.IPv4MinimumSize && !netip.AddrFrom4([4]byte(packet[16:20])).IsMulticast()
	case header.IPv6Version:
		return len(packet) >= header.IPv6MinimumSize && !netip.AddrFrom16([16]byte(packet[24:40])).IsMulticast()
	}
	return false
}

func inject(endpoint *channel.Endpoint, packet []byte) {
	protocol := ipv4.ProtocolNumber
	if header.IPVersion(packet) == header.IPv6Version {
		protocol = ipv6.ProtocolNumber
	}
	buf := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(packet)})
	endpoint.InjectInbound(protocol, buf)
	buf.DecRef()
}

// write brings the stack's packets to the link, as long as it takes any.
func write(link io.Writer, endpoint *channel.Endpoint) {
	for {
		packet := endpoint.ReadContext(context.Background())
		if packet == nil {
			return
		}
		view := packet.ToView()
		_, err := link.Write(view.AsSlice())
		view.Release()
		packet.DecRef()
		if err != nil {
			continue // a packet that is lost is sent again
		}
	}
}

// newStack makes a stack that answers for every address.
func newStack(cfg Config) (*channel.Endpoint, error) {
	s := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, ipv6.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol},
	})
	receive := tcpip.TCPReceiveBufferSizeRangeOption{Min: 4 << 10, Default: window / 4, Max: window}
	send := tcpip.TCPSendBufferSizeRangeOption{Min: 4 << 10, Default: window / 4, Max: window}
	sack, moderate := tcpip.TCPSACKEnabled(true), tcpip.TCPModerateReceiveBufferOption(true)
	for _, option := range []tcpip.SettableTransportProtocolOption{&receive, &send, &sack, &moderate} {
		if err := s.SetTransportProtocolOption(tcp.ProtocolNumber, option); err != nil {
			return nil, fmt.Errorf("tcp: %s", err)
		}
	}
	endpoint := channel.New(queued, MTU, "")
	endpoint.LinkEPCapabilities = stack.CapabilityRXChecksumOffload // what comes from this machine's own system is whole
	if err := s.CreateNIC(nic, endpoint); err != nil {
		return nil, fmt.Errorf("link: %s", err)
	}
	if err := s.SetPromiscuousMode(nic, true); err != nil {
		return nil, fmt.Errorf("link: %s", err)
	}
	if err := s.SetSpoofing(nic, true); err != nil {
		return nil, fmt.Errorf("link: %s", err)
	}
	s.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: nic}, {Destination: header.IPv6EmptySubnet, NIC: nic}})
	r := newRelay(s, policy{cfg: cfg, own: ownAddresses()})
	s.SetTransportProtocolHandler(tcp.ProtocolNumber, tcp.NewForwarder(s, 0, maxConnecting, r.tcp).HandlePacket)
	s.SetTransportProtocolHandler(udp.ProtocolNumber, udp.NewForwarder(s, r.udp).HandlePacket)
	return endpoint, nil
}
