package sandbox

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/tetratelabs/wazero/api"

	"github.com/lambent-host/lambent/abi"
)

// Request is an HTTP request of a guest.
type Request struct {
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
	Body    []byte            `json:"-"`
}

// Response is what came back.
type Response struct {
	Status  int
	Headers map[string]string
	Body    []byte
}

// Errors of a [Fetcher] that a guest can tell apart; any other means that no
// response came.
var (
	// ErrDenied: the guest may not reach that host.
	ErrDenied = errors.New("the host is not one that the guest may reach")
	// ErrBadRequest: the request is none.
	ErrBadRequest = errors.New("not an HTTP request")
	// ErrTooLarge: the response is larger than limit.
	ErrTooLarge = errors.New("the response is too large")
)

// Fetcher sends a guest's requests. It decides which hosts a guest reaches. The
// body belongs to the guest and is not to be kept. At most limit bytes of a response
// are of use.
type Fetcher interface {
	Fetch(ctx context.Context, req Request, limit int) (Response, error)
}

// fetched is a response as a guest reads it.
type fetched struct{ head, body []byte }

// httpSend sends a request while others have the CPU.
func httpSend(c *call, mem api.Memory, stack []uint64) int64 {
	head, ok := read(mem, stack[0], stack[1])
	body, ok2 := read(mem, stack[2], stack[3])
	switch {
	case !ok || !ok2:
		return abi.ErrFault
	case c.inv == nil:
		return abi.ErrState
	case c.instance.fetch == nil:
		return abi.ErrDenied
	case len(head) > abi.MaxHTTPHead || len(body) > abi.MaxHTTPBody:
		return abi.ErrTooLarge
	}
	c.fetched = nil
	req := Request{Method: "GET"}
	if json.Unmarshal(head, &req) != nil {
		return abi.ErrInvalid
	}
	req.Body = append([]byte(nil), body...) // the guest's memory may be another's before the last byte is sent
	c.instance.account.Pause()
	res, err := c.instance.fetch.Fetch(c, req, abi.MaxHTTPResponse)
	c.checkpoint()
	if !c.instance.account.Resume(c.patience()) {
		c.abandon()
	}
	if err != nil {
		return fetchError(err)
	}
	c.fetched = &fetched{body: res.Body}
	c.fetched.head, err = json.Marshal(struct {
		Status     int               `json:"status"`
		Headers    map[string]string `json:"headers"`
		BodyLength int               `json:"bodyLength"`
	}{res.Status, res.Headers, len(res.Body)})
	if err != nil || len(res.Body) > abi.MaxHTTPResponse || len(c.fetched.head) > abi.MaxHTTPHead {
		c.fetched = nil
		return abi.ErrTooLarge
	}
	return int64(len(c.fetched.head))
}

func fetchError(err error) int64 {
	switch {
	case errors.Is(err, ErrDenied):
		return abi.ErrDenied
	case errors.Is(err, ErrBadRequest):
		return abi.ErrInvalid
	case errors.Is(err, ErrTooLarge):
		return abi.ErrTooLarge
	}
	return abi.ErrUnreachable
}

func httpRead(c *call, mem api.Memory, stack []uint64) int64 {
	to, ok := read(mem, stack[1], stack[2])
	switch {
	case !ok:
		return abi.ErrFault
	case c.fetched == nil:
		return abi.ErrState
	}
	var part []byte
	switch uint32(stack[0]) {
	case abi.HTTPHead:
		part = c.fetched.head
	case abi.HTTPBody:
		part = c.fetched.body
	default:
		return abi.ErrInvalid
	}
	offset := int(uint32(stack[3]))
	if offset >= len(part) {
		return 0
	}
	return int64(copy(to, part[offset:]))
}
