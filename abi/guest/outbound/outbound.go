// Package outbound lets a telemetry consumer reach the hosts that its manifest names:
// [Do] sends an HTTP request and waits for the response. A function has no network,
// and gets [ErrDenied].
//
// A call blocks the whole guest, all its goroutines included, until the response is
// there or the invocation's time is over. Read next: package consumer, which hands a
// program its telemetry.
package outbound

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Errors of [Do].
var (
	// ErrDenied: the manifest does not name the host, or the guest is a function.
	ErrDenied = errors.New("lambent: this host may not be reached")
	// ErrUnreachable: no response came in time.
	ErrUnreachable = errors.New("lambent: the host did not answer")
	// ErrTooLarge: the head has more than 64 KiB, the body more than 8 MiB, or the
	// response more than 1 MiB.
	ErrTooLarge = errors.New("lambent: request or response are too large")
	// ErrInvalid: not an HTTP request.
	ErrInvalid = errors.New("lambent: not an HTTP request")
)

// Request is an HTTP request. Method is GET if it is empty; URL is absolute.
type Request struct {
	Method  string            `json:"method,omitempty"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    []byte            `json:"-"`
}

// Response is what came back, a redirect too.
type Response struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    []byte            `json:"-"`
}

// Do sends the request and waits for the response. The goroutine that serves events
// calls it, or one that it has started.
func Do(req Request) (Response, error) {
	var res Response
	head, err := json.Marshal(req)
	if err != nil {
		return res, err
	}
	n := httpSend(head, req.Body)
	if n < 0 {
		return res, number(n)
	}
	answer := struct {
		*Response
		BodyLength int `json:"bodyLength"`
	}{Response: &res}
	if err := json.Unmarshal(part(partHead, int(n)), &answer); err != nil {
		return res, fmt.Errorf("lambent: the head of the response: %w", err)
	}
	res.Body = part(partBody, answer.BodyLength)
	return res, nil
}

// Post sends a body and makes an error of a status other than 2xx.
func Post(url, contentType string, body []byte) error {
	res, err := Do(Request{Method: "POST", URL: url, Headers: map[string]string{"Content-Type": contentType}, Body: body})
	if err == nil && (res.Status < 200 || res.Status > 299) {
		err = fmt.Errorf("%s answered %d", url, res.Status)
	}
	return err
}

// Numbers of the ABI, version 1; see abi/abi.go.
const (
	errTooLarge    = -2
	errInvalid     = -4
	errDenied      = -5
	errUnreachable = -6

	partHead = 0
	partBody = 1
)

func number(n int32) error {
	switch n {
	case errTooLarge:
		return ErrTooLarge
	case errInvalid:
		return ErrInvalid
	case errDenied:
		return ErrDenied
	case errUnreachable:
		return ErrUnreachable
	}
	return fmt.Errorf("lambent: the host reported error %d", n)
}

// part reads a part of the last response.
func part(which uint32, length int) []byte {
	buf := make([]byte, length)
	read := 0
	for read < length {
		n := httpRead(which, buf[read:], read)
		if n <= 0 {
			break
		}
		read += int(n)
	}
	return buf[:read]
}
