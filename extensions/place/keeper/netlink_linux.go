package keeper

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"github.com/lambent-host/lambent/extensions/place/egress"
)

// tunName is the namespace's link to the outside.
const tunName = "out0"

// linkUp switches a link on, with further flags.
func linkUp(name string, flags uint16) error {
	return withLink(name, func(socket int, request *unix.Ifreq) error {
		if err := unix.IoctlIfreq(socket, unix.SIOCGIFFLAGS, request); err != nil {
			return err
		}
		request.SetUint16(request.Uint16() | unix.IFF_UP | flags)
		return unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, request)
	})
}

// setMTU sets the size of a link's largest packet.
func setMTU(name string, mtu uint32) error {
	return withLink(name, func(socket int, request *unix.Ifreq) error {
		request.SetUint32(mtu)
		return unix.IoctlIfreq(socket, unix.SIOCSIFMTU, request)
	})
}

func withLink(name string, f func(socket int, request *unix.Ifreq) error) error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(socket) }()
	request, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	return f(socket, request)
}

// openTun makes a link whose packets are read from and written to the file.
func openTun(name string) (io.ReadWriter, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: "/dev/net/tun", Err: err}
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("tun: %w", err), unix.Close(fd))
	}
	if err := setMTU(name, egress.MTU); err != nil {
		return nil, errors.Join(fmt.Errorf("tun: mtu: %w", err), unix.Close(fd))
	}
	if err := linkUp(name, 0); err != nil {
		return nil, errors.Join(fmt.Errorf("tun: up: %w", err), unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), name), nil
}

// route gives the link its addresses and sends everything there that is not the
// namespace's own.
func (n *network) route() error {
	link, err := net.InterfaceByName(tunName)
	if err != nil {
		return err
	}
	inside := []netip.Prefix{egress.Inside4}
	if n.egress.IPv6 {
		inside = append(inside, egress.Inside6)
	}
	for _, prefix := range inside {
		if err := netlink(unix.RTM_NEWADDR, newAddress(link.Index, prefix)); err != nil {
			return fmt.Errorf("address %s: %w", prefix, err)
		}
		if err := netlink(unix.RTM_NEWROUTE, newDefault(link.Index, prefix.Addr())); err != nil {
			return fmt.Errorf("default route: %w", err)
		}
	}
	return nil
}

func family(addr netip.Addr) byte {
	if addr.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// newAddress is the body of RTM_NEWADDR (rtnetlink(7)): struct ifaddrmsg and its
// attributes. An IPv6 address is usable at once, as nobody else can have it.
func newAddress(link int, prefix netip.Prefix) []byte {
	addr := prefix.Addr().AsSlice()
	body := []byte{family(prefix.Addr()), byte(prefix.Bits()), unix.IFA_F_NODAD, unix.RT_SCOPE_UNIVERSE}
	body = binary.NativeEndian.AppendUint32(body, uint32(link))
	body = appendAttribute(body, unix.IFA_LOCAL, addr)
	return appendAttribute(body, unix.IFA_ADDRESS, addr)
}

// newDefault is the body of RTM_NEWROUTE: struct rtmsg and the link.
func newDefault(link int, addr netip.Addr) []byte {
	body := []byte{family(addr), 0, 0, 0, unix.RT_TABLE_MAIN, unix.RTPROT_BOOT, unix.RT_SCOPE_LINK, unix.RTN_UNICAST, 0, 0, 0, 0}
	return appendAttribute(body, unix.RTA_OIF, binary.NativeEndian.AppendUint32(nil, uint32(link)))
}

func appendAttribute(body []byte, kind uint16, value []byte) []byte {
	body = binary.NativeEndian.AppendUint16(body, uint16(unix.SizeofRtAttr+len(value)))
	body = binary.NativeEndian.AppendUint16(body, kind)
	body = append(body, value...)
	return append(body, make([]byte, -len(value)&(unix.RTA_ALIGNTO-1))...)
}

// netlink makes one change and waits for the kernel to say that it is made.
func netlink(kind uint16, body []byte) error {
	socket, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(socket) }()
	header := binary.NativeEndian.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+len(body)))
	header = binary.NativeEndian.AppendUint16(header, kind)
	header = binary.NativeEndian.AppendUint16(header, unix.NLM_F_REQUEST|unix.NLM_F_ACK|unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	header = append(header, make([]byte, 8)...) // sequence and port: one request, one answer
	if err := unix.Sendto(socket, append(header, body...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	answer := make([]byte, 4096)
	size, _, err := unix.Recvfrom(socket, answer, 0)
	switch {
	case err != nil:
		return err
	case size < unix.SizeofNlMsghdr+4 || binary.NativeEndian.Uint16(answer[4:]) != unix.NLMSG_ERROR:
		return errors.New("the kernel's answer is none")
	}
	if code := int32(binary.NativeEndian.Uint32(answer[unix.SizeofNlMsghdr:])); code != 0 {
		return unix.Errno(-code)
	}
	return nil
}
