package keeper

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/lambent-host/lambent/extensions/place/egress"
)

// Setup is what a keeper makes, before anything is started in it.
type Setup struct {
	// OwnFiles gives the processes files of their own: the system's programs and
	// libraries, read-only, /opt, /tmp, and nothing else of the host's. Otherwise
	// they see the host's, with /etc/hosts, /etc/resolv.conf and, if the host has
	// such folders, /opt and /tmp changed.
	OwnFiles bool
	// Opt and Tmp are folders that are seen as /opt and /tmp, "" for none. Files are
	// seen in /opt/extensions, where the folder Opt has none: a name may be a link,
	// and is what it leads to. All are paths of the host without links.
	Opt   string            `json:",omitempty"`
	Files map[string]string `json:",omitempty"`
	Tmp   string            `json:",omitempty"`
	// UID and GID are whom the processes run as; 0 changes nothing.
	UID, GID int `json:",omitempty"`
	// Limits of the processes.
	Limits Limits
	// Egress is the way out of their network; nil: there is none.
	Egress *egress.Config `json:",omitempty"`
}

// Limits bound what the processes of an environment take. Zero fields limit
// nothing.
type Limits struct {
	// OpenFiles is how many files one process has open.
	OpenFiles uint64
	// Processes is how many processes and threads there are of the environment's
	// user.
	Processes uint64
	// MemoryBytes is how much memory that can be written to one process has.
	MemoryBytes uint64
	// FileBytes is how large a file may become.
	FileBytes uint64
}

// What a message asks for, or is.
const (
	doStart  = "start"  // with the files of stdout and stderr; answered
	doKill   = "kill"   // not answered
	doDial   = "dial"   // answered, with a connection
	isAnswer = "answer" // to the message of the same id
	isExit   = "exit"   // of the process that was started by that id
)

// message is one packet between host and keeper. The first is a Setup, answered
// with the listener of the Extensions API.
type message struct {
	What string
	ID   uint64
	// Of a start; its Path is as the process sees it.
	Path string   `json:",omitempty"`
	Env  []string `json:",omitempty"`
	// Of a dial.
	Port int `json:",omitempty"`
	// Of an answer: "" is success; Errno is set where the system refused.
	Error string        `json:",omitempty"`
	Errno syscall.Errno `json:",omitempty"`
	// Of an exit, as in "exit status 1".
	Status string `json:",omitempty"`
}

// maxMessage bounds a packet, so that it fits into a socket's buffer.
const maxMessage = 128 << 10

// maxFiles is how many files go with a message.
const maxFiles = 2

// pipe carries messages with files. Any goroutine may send, one receives.
type pipe struct{ conn *net.UnixConn }

var errTooLong = fmt.Errorf("a message of more than %d bytes", maxMessage)

func (p pipe) send(v any, files ...*os.File) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(data) > maxMessage {
		return errTooLong
	}
	var oob []byte
	if len(files) > 0 {
		fds := make([]int, 0, len(files))
		for _, f := range files {
			fds = append(fds, int(f.Fd()))
		}
		oob = syscall.UnixRights(fds...)
	}
	_, _, err = p.conn.WriteMsgUnix(data, oob, nil)
	return err
}

// receive reads one message. The files are the caller's to close, also after an
// error of decoding.
func (p pipe) receive(v any) ([]*os.File, error) {
	data, oob := make([]byte, maxMessage+1), make([]byte, syscall.CmsgSpace(maxFiles*4))
	n, m, flags, _, err := p.conn.ReadMsgUnix(data, oob)
	if err != nil {
		return nil, err
	}
	files, err := filesOf(oob[:m])
	switch {
	case err != nil:
		return files, err
	case n == 0:
		return files, io.EOF
	case n > maxMessage || flags&syscall.MSG_TRUNC != 0:
		return files, errTooLong
	}
	return files, json.Unmarshal(data[:n], v)
}

func filesOf(oob []byte) (files []*os.File, err error) {
	if len(oob) == 0 {
		return nil, nil
	}
	all, err := syscall.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	for _, one := range all {
		fds, err := syscall.ParseUnixRights(&one)
		if err != nil {
			return files, err
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "received"))
		}
	}
	return files, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close() // they were somebody else's
	}
}

// answerTo says how a request went.
func answerTo(id uint64, err error) message {
	a := message{What: isAnswer, ID: id}
	if err != nil {
		a.Error = err.Error()
		_ = errors.As(err, &a.Errno)
	}
	return a
}

// failure is the error of an answer.
func (m message) failure() error {
	switch {
	case m.Errno != 0:
		return &refusal{m.Error, m.Errno}
	case m.Error != "":
		return errors.New(m.Error)
	}
	return nil
}

// refusal is an error of the system that was met in the keeper.
type refusal struct {
	text string
	err  syscall.Errno
}

func (r *refusal) Error() string { return r.text }
func (r *refusal) Unwrap() error { return r.err }
