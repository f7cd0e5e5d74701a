package guest

import (
	"errors"
	"fmt"
	"time"
)

// Error numbers and context fields of the ABI, version 1. They repeat package
// abi, because this source is built into modules that cannot import it; a test
// of package abitest holds the two together.
const (
	errFault    = -1
	errTooLarge = -2
	errState    = -3
	errInvalid  = -4

	fieldRequestID       = 1
	fieldFunctionARN     = 2
	fieldTraceID         = 3
	fieldClientContext   = 4
	fieldCognitoIdentity = 5
)

var (
	// ErrNoHost is returned by [Next] when no host has called lambent_init: the
	// program runs on another platform, or was built as a WASI command.
	ErrNoHost = errors.New("lambent: no host: build the function with \"lambent build\" (a wasip1 reactor, -buildmode=c-shared)")
	// ErrTooLarge is returned by [Invocation.Respond] when the response passes
	// the host's limit (6 MiB and 100 bytes unless the host says otherwise). The
	// invocation has failed then.
	ErrTooLarge = errors.New("lambent: the response is larger than the host accepts")
	// ErrAnswered is returned when an invocation that has an answer, or has
	// failed, is answered again.
	ErrAnswered = errors.New("lambent: the invocation has been answered")
)

// The hand-over between the exports and the goroutine in Next. Both channels
// are unbuffered, so that a value passes only when the other side is there:
// idle says "I am about to wait for an event", events brings it.
var (
	hosted bool // lambent_init was called; written once, before main starts
	idle   = make(chan struct{})
	events = make(chan *Invocation)
)

// Invocation is one event and what the host says about it. It is valid until
// the goroutine that took it calls [Next] again, and belongs to that goroutine.
type Invocation struct {
	event    []byte
	answered bool
}

// Next waits for the next invocation. Calling it again tells the host that the
// one before is over: lambent_invoke returns then, and every goroutine of the
// program is frozen until the next event. One goroutine may wait at a time.
// The error is [ErrNoHost] and nothing else.
func Next() (*Invocation, error) {
	if !hosted {
		return nil, ErrNoHost
	}
	idle <- struct{}{}
	return <-events, nil
}

// readInvocation copies the event out of the host, which offers it in pieces
// of any size and at most length bytes in all.
func readInvocation(length int) *Invocation {
	event := make([]byte, length)
	read := 0
	for read < length {
		n := eventRead(event[read:], read)
		if n <= 0 {
			break
		}
		read += int(n)
	}
	return &Invocation{event: event[:read]}
}

// Event is the event as the caller sent it, usually JSON, not copied.
func (i *Invocation) Event() []byte { return i.event }

// RequestID is the invocation's id, a UUID.
func (i *Invocation) RequestID() string { return contextField(fieldRequestID) }

// FunctionARN is the ARN the function was invoked by.
func (i *Invocation) FunctionARN() string { return contextField(fieldFunctionARN) }

// TraceID is the value of X-Amzn-Trace-Id, empty when there is none.
func (i *Invocation) TraceID() string { return contextField(fieldTraceID) }

// ClientContext is the caller's client context, a JSON document or empty.
func (i *Invocation) ClientContext() string { return contextField(fieldClientContext) }

// CognitoIdentity is the caller's Cognito identity, a JSON object with
// cognitoIdentityId and cognitoIdentityPoolId, or empty.
func (i *Invocation) CognitoIdentity() string { return contextField(fieldCognitoIdentity) }

// Deadline is the moment at which the host ends the invocation; it has the
// precision of a millisecond.
func (i *Invocation) Deadline() time.Time {
	ms := deadlineMS()
	return time.Unix(ms/1000, ms%1000*int64(time.Millisecond))
}

// Respond answers the invocation with payload: [ErrAnswered] if it has an
// answer, [ErrTooLarge] past the host's limit.
func (i *Invocation) Respond(payload []byte) error {
	return i.answer(func() int32 { return responseWrite(payload) })
}

// Fail ends the invocation with a function error; the host writes the document.
func (i *Invocation) Fail(errorType, message string) error {
	return i.answer(func() int32 { return fail([]byte(errorType), []byte(message)) })
}

// FailDocument ends the invocation with a whole error document: a JSON object
// with errorMessage, errorType and, optionally, stackTrace, which the caller
// receives as it is.
func (i *Invocation) FailDocument(document []byte) error {
	return i.answer(func() int32 { return failDocument(document) })
}

// InitFail reports that the program cannot start, before its first [Next]. The
// program should exit afterwards.
func InitFail(document []byte) error { return number(failDocument(document)) }

func (i *Invocation) answer(call func() int32) error {
	if i.answered {
		return ErrAnswered
	}
	err := number(call())
	// A document that the host refused is no answer: the caller may try another.
	i.answered = err == nil || errors.Is(err, ErrTooLarge)
	return err
}

// number makes an error of what an import returned.
func number(n int32) error {
	switch {
	case n >= 0:
		return nil
	case n == errTooLarge:
		return ErrTooLarge
	case n == errState:
		return ErrAnswered
	case n == errInvalid:
		return errors.New("lambent: the error document is not a JSON object")
	case n == errFault:
		return errors.New("lambent: the host cannot read the guest's memory")
	}
	return fmt.Errorf("lambent: the host reported error %d", n)
}

// contextField reads one field, with a second call when the first guess at its
// length was too short.
func contextField(field uint32) string {
	buf := make([]byte, 256)
	n := contextRead(field, buf)
	if int(n) > len(buf) {
		buf = make([]byte, n)
		n = contextRead(field, buf)
	}
	if n <= 0 || int(n) > len(buf) {
		return ""
	}
	return string(buf[:n])
}
