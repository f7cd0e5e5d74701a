package publish

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/lambent-host/lambent/sandbox"
)

// A message is a header (four letters, the last of them the version, and the
// length, little endian) and a JSON object. The host sends a request and behind it
// the module's bytes, and leaves the pipe open: its end tells the child that the
// host is gone. The child sends "ready" before it reads the module, and an answer.
const (
	protocol   = "lmp1"
	headerSize = len(protocol) + 4
	maxMessage = 1 << 20
)

// request asks for a module to be prepared in the working directory.
type request struct {
	Limits    Limits `json:"limits"`
	WasmBytes int64  `json:"wasmBytes"`
}

// ready tells that the child is one.
type ready struct {
	Ready bool `json:"ready"`
}

// answer is the outcome: one of the first three.
type answer struct {
	Prepared *sandbox.Prepared    `json:"prepared,omitempty"`
	Refused  *sandbox.ModuleError `json:"refused,omitempty"`
	Failed   string               `json:"failed,omitempty"`
	// PeakBytes is the most memory that was resident; 0: not known.
	PeakBytes int64 `json:"peakBytes,omitempty"`
}

var errNoMessage = errors.New("not a message of this protocol")

func writeMessage(w io.Writer, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding a message: %w", err)
	}
	if len(body) > maxMessage {
		return errors.New("a message is too long")
	}
	message := binary.LittleEndian.AppendUint32([]byte(protocol), uint32(len(body)))
	_, err = w.Write(append(message, body...))
	return err
}

// readMessage reads one message into v and nothing behind it.
func readMessage(r io.Reader, v any) error {
	var header [headerSize]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return err
	}
	size := binary.LittleEndian.Uint32(header[len(protocol):])
	if string(header[:len(protocol)]) != protocol || size > maxMessage {
		return errNoMessage
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(r, body); err != nil {
		return err
	}
	if err := json.Unmarshal(body, v); err != nil {
		return errors.Join(errNoMessage, err)
	}
	return nil
}

func writeRequest(w io.Writer, q request, wasm []byte) error {
	if err := writeMessage(w, q); err != nil {
		return err
	}
	_, err := w.Write(wasm)
	return err
}

// readAnswer reads what a child says; nil when it does not say it to the end.
func readAnswer(r io.Reader) (isReady bool, a *answer) {
	var hello ready
	if err := readMessage(r, &hello); err != nil || !hello.Ready {
		return false, nil
	}
	a = &answer{}
	if err := readMessage(r, a); err != nil {
		return true, nil
	}
	said := 0
	for _, is := range []bool{a.Prepared != nil, a.Refused != nil, a.Failed != ""} {
		if is {
			said++
		}
	}
	if said != 1 {
		return true, nil
	}
	return true, a
}
