package keeper

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/lambent-host/lambent/extensions/place/egress"
)

// peerName is the other end of the namespace's link where that is a pair of Ethernet
// links.
const peerName = "out1"

// Ethernet: two addresses and a type before each packet. Frames that the kernel has
// not cut into packets yet are as large as IP allows.
const (
	etherHeader = 14
	etherFrame  = etherHeader + 64<<10
)

// veth is a link for who may not use /dev/net/tun: a pair of Ethernet links, of which
// one has no addresses and is spoken for by a packet socket (veth(4), packet(7)). It
// takes rights in the namespace alone. One goroutine may read and one write.
type veth struct {
	socket  *os.File
	out, in []byte // the headers are made once
}

// openVeth makes the pair. Nobody asks for an Ethernet address: there is one other end.
func openVeth() (io.ReadWriter, error) {
	if err := netlink(unix.RTM_NEWLINK, newPair(tunName, peerName)); err != nil {
		return nil, fmt.Errorf("veth: %w", err)
	}
	for _, name := range []string{tunName, peerName} {
		if err := setMTU(name, egress.MTU); err != nil {
			return nil, fmt.Errorf("veth: mtu: %w", err)
		}
		if err := linkUp(name, unix.IFF_NOARP); err != nil {
			return nil, fmt.Errorf("veth: up: %w", err)
		}
	}
	inner, err := net.InterfaceByName(tunName)
	if err != nil {
		return nil, err
	}
	peer, err := net.InterfaceByName(peerName)
	if err != nil {
		return nil, err
	}
	all := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_ALL)) // htons
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(all))
	if err != nil {
		return nil, fmt.Errorf("packet socket: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: peer.Index}); err != nil {
		return nil, errors.Join(fmt.Errorf("packet socket: %w", err), unix.Close(fd))
	}
	// What the kernel itself sends from this end is not read.
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1); err != nil {
		return nil, errors.Join(fmt.Errorf("packet socket: %w", err), unix.Close(fd))
	}
	header := append(append([]byte{}, inner.HardwareAddr...), peer.HardwareAddr...)
	return &veth{socket: os.NewFile(uintptr(fd), peerName), in: make([]byte, etherFrame), out: append(header, 0, 0)}, nil
}

// Read reads one packet.
func (v *veth) Read(packet []byte) (int, error) {
	for {
		n, err := v.socket.Read(v.in)
		if err != nil {
			return 0, err
		}
		if n <= etherHeader {
			continue
		}
		if kind := binary.BigEndian.Uint16(v.in[12:]); kind == unix.ETH_P_IP || kind == unix.ETH_P_IPV6 {
			return copy(packet, v.in[etherHeader:n]), nil
		}
	}
}

// Write writes one packet.
func (v *veth) Write(packet []byte) (int, error) {
	if len(packet) == 0 {
		return 0, nil
	}
	kind := uint16(unix.ETH_P_IP)
	if packet[0]>>4 == 6 {
		kind = unix.ETH_P_IPV6
	}
	frame := append(binary.BigEndian.AppendUint16(v.out[:12:12], kind), packet...)
	n, err := v.socket.Write(frame)
	return max(0, n-etherHeader), err
}

// newPair is the body of RTM_NEWLINK: struct ifinfomsg, and the attributes of a link
// of kind veth with those of its peer inside.
func newPair(name, peer string) []byte {
	link := make([]byte, unix.SizeofIfInfomsg)
	of := append([]byte{}, link...)
	of = appendAttribute(of, unix.IFLA_IFNAME, append([]byte(peer), 0))
	const infoPeer = 1 // VETH_INFO_PEER of linux/veth.h
	info := appendAttribute(nil, unix.IFLA_INFO_KIND, []byte("veth"))
	info = appendAttribute(info, unix.IFLA_INFO_DATA, appendAttribute(nil, infoPeer, of))
	link = appendAttribute(link, unix.IFLA_IFNAME, append([]byte(name), 0))
	return appendAttribute(link, unix.IFLA_LINKINFO, info)
}
