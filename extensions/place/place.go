// Package place is where the extension processes of an execution environment
// run: what network they are in, what files they see, and what ends them.
//
// A [Place] opens a [Room] for each environment. The room has the listener that
// the Extensions API is served on, dials what the extensions listen on, starts
// their processes, and leaves nothing of them behind when it is closed.
//
// [Loopback] is the machine's own network and files: the processes are in groups
// of their own and die with the host, and are otherwise not confined. Two of its
// environments cannot listen on one port.
//
// Read next: process.go for how a process is started and ended, and package
// extensions, whose Set opens one room and closes it.
package place

import (
	"context"
	"io"
	"net"
)

// Environment is what a room is made for.
type Environment struct {
	// Extensions are the paths of the executables that are going to be started, on
	// the host.
	Extensions []string
	// Opt is a folder that the processes see as /opt, read-only, with the extensions
	// in its folder extensions; "" means that there are only the executables.
	Opt string
	// Tmp is the folder that they see as /tmp; "" means one of their own.
	Tmp string
}

// Place makes rooms. It is safe for concurrent use.
type Place interface {
	// Open makes a room for one environment, and the listener in it that the
	// Extensions API is to be served on; whoever serves closes it. ctx bounds the
	// making and not the room.
	Open(ctx context.Context, env Environment) (Room, net.Listener, error)
}

// Room is where the processes of one environment are. It is safe for concurrent
// use.
type Room interface {
	// Dial connects to a TCP port that a process of the room listens on.
	Dial(ctx context.Context, port int) (net.Conn, error)
	// Start runs a process.
	Start(cmd Command) (Process, error)
	// Close kills what still runs and gives everything back. It returns when no
	// process of the room is left. A second call does nothing.
	Close() error
}

// Command is a process to be started.
type Command struct {
	// Path is one of the environment's Extensions.
	Path string
	// Env is all that the process has in its environment, "K=V".
	Env []string
	// Stdout and Stderr are written to by one goroutine each. What is written after
	// the process has ended may be lost.
	Stdout, Stderr io.Writer
}

// Process is a running process with the group of processes that it leads. It is
// safe for concurrent use.
type Process interface {
	// Wait waits until the process and its group have ended and what they wrote has
	// been read, and returns how it ended, as in "exit status 1".
	Wait() string
	// Kill ends the process and its group at once. It does nothing when the process
	// has ended.
	Kill()
}

// Loopback is the machine's own network: the API gets a free port of 127.0.0.1,
// and the processes see the host's files with the host's rights.
type Loopback struct{}

// Open needs nothing of the environment.
func (Loopback) Open(ctx context.Context, _ Environment) (Room, net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	return &loopback{}, listener, nil
}
