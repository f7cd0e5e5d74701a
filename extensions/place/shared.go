package place

import (
	"fmt"
	"strings"
	"sync"
)

// sharedAdvice is what to do where extensions share the machine's ports.
const sharedAdvice = "Two environments whose extensions listen on one port of this machine do not run at a time: " +
	"run the host where it may make namespaces (Linux, as root or with user namespaces; --extension-isolation full says why it may not), " +
	"or with --concurrency 1"

// Shared tells whether the processes of a room have the machine's own ports, so that
// two rooms can be in each other's way.
func Shared(room Room) bool {
	_, shared := room.(*loopback)
	return shared
}

// Claim is told that a process of the room listens on a port. Where another room has
// claimed it and is still open, the port is that one's: what is sent there arrives at
// somebody else's extension. The error says what to do.
func Claim(room Room, port int) error {
	l, shared := room.(*loopback)
	if !shared {
		return nil
	}
	return claims.take(l, port)
}

// Advise says what to do about an extension that ended because its port was in use, if
// that is what it wrote; otherwise it says nothing.
func Advise(room Room, output string) string {
	if !Shared(room) {
		return ""
	}
	for _, words := range []string{"address already in use", "eaddrinuse", "address in use", "addrinuse"} {
		if strings.Contains(strings.ToLower(output), words) {
			return "the port it listens on is in use. " + sharedAdvice
		}
	}
	return ""
}

// claims are the ports that extensions of open rooms listen on.
var claims = claimed{by: map[int]*loopback{}}

type claimed struct {
	mu sync.Mutex
	by map[int]*loopback
}

func (c *claimed) take(l *loopback, port int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if other, taken := c.by[port]; taken && other != l {
		return fmt.Errorf("an extension of another environment listens on port %d already. %s", port, sharedAdvice)
	}
	c.by[port] = l
	return nil
}

func (c *claimed) release(l *loopback) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for port, by := range c.by {
		if by == l {
			delete(c.by, port)
		}
	}
}
