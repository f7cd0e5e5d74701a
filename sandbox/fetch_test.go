package sandbox_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lambent-host/lambent/abi"
	"github.com/lambent-host/lambent/sandbox"
)

// fetcher is a Fetcher of a test.
type fetcher func(ctx context.Context, req sandbox.Request, limit int) (sandbox.Response, error)

func (f fetcher) Fetch(ctx context.Context, req sandbox.Request, limit int) (sandbox.Response, error) {
	return f(ctx, req, limit)
}

// requesting is a guest that sends its event as the head of a request with two bytes of
// body, and answers with what http_send returned and what it then reads of a part.
func requesting(part int) []byte {
	g := newGuest()
	n := len(strings.Fields(imports)) / 2
	g.Import(abi.Module, abi.ImportHTTPSend, "iiii>i")
	g.Import(abi.Module, abi.ImportHTTPRead, "iiii>i")
	digit := func(n int) string { return string(rune('0' + n)) }
	return g.handler(strings.NewReplacer("SEND", digit(n), "READ", digit(n+1)).Replace(fmt.Sprintf(`
		i32.const 1024 i32.const 4096 i32.const 0 call event_read drop
		i32.const 0
		i32.const 1024 local.get 0 i32.const 1024 i32.const 2 call SEND i32.store 0
		i32.const 0 i32.const 4 call response_write drop
		i32.const %d i32.const 8192 i32.const 4096 i32.const 0 call READ local.set 1
		i32.const 4
		local.get 1 i32.store 0
		i32.const 4 i32.const 4 call response_write drop
		i32.const 8192 local.get 1 call response_write drop
		i32.const 0`, part)))
}

// asked invokes a guest and takes its answer apart.
func asked(t *testing.T, part int, f sandbox.Fetcher, event string) (sent, read int32, text string) {
	t.Helper()
	out := answer(t, start(t, requesting(part), sandbox.InstanceConfig{Fetch: f}), event)
	number := func(s string) int32 {
		return int32(uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24)
	}
	return number(out), number(out[4:]), out[8:]
}

func TestAGuestSendsRequestsByItsFetcher(t *testing.T) {
	var got sandbox.Request
	f := fetcher(func(_ context.Context, req sandbox.Request, limit int) (sandbox.Response, error) {
		got = req
		if limit != abi.MaxHTTPResponse {
			t.Errorf("limit %d", limit)
		}
		return sandbox.Response{Status: 201, Headers: map[string]string{"A": "b"}, Body: []byte("body")}, nil
	})
	const head = `{"method":"POST","url":"http://x/","headers":{"C":"d"}}`
	want := `{"status":201,"headers":{"A":"b"},"bodyLength":4}`
	if sent, read, text := asked(t, abi.HTTPHead, f, head); int(sent) != len(want) || int(read) != len(want) || text != want {
		t.Errorf("the head: %d, %d, %s", sent, read, text)
	}
	if got.Method != "POST" || got.URL != "http://x/" || got.Headers["C"] != "d" || string(got.Body) != head[:2] {
		t.Errorf("sent %+v", got)
	}
	if _, read, text := asked(t, abi.HTTPBody, f, `{"url":"http://x/"}`); read != 4 || text != "body" || got.Method != "GET" {
		t.Errorf("the body: %d, %s of a %s", read, text, got.Method)
	}
	if _, read, _ := asked(t, 2, f, head); read != abi.ErrInvalid {
		t.Errorf("a part that is none: %d", read)
	}
}

func TestRequestsThatGetNoResponse(t *testing.T) {
	fails := func(err error) sandbox.Fetcher {
		return fetcher(func(context.Context, sandbox.Request, int) (sandbox.Response, error) { return sandbox.Response{}, err })
	}
	for name, c := range map[string]struct {
		fetch sandbox.Fetcher
		head  string
		want  int32
	}{
		"a function":           {nil, `{}`, abi.ErrDenied},
		"a host not named":     {fails(fmt.Errorf("x: %w", sandbox.ErrDenied)), `{}`, abi.ErrDenied},
		"not a request":        {fails(sandbox.ErrBadRequest), `{}`, abi.ErrInvalid},
		"not JSON":             {fails(nil), `{`, abi.ErrInvalid},
		"a response too large": {fails(sandbox.ErrTooLarge), `{}`, abi.ErrTooLarge},
		"nobody there":         {fails(errors.New("refused")), `{}`, abi.ErrUnreachable},
		"headers too large": {fetcher(func(context.Context, sandbox.Request, int) (sandbox.Response, error) {
			return sandbox.Response{Headers: map[string]string{"A": strings.Repeat("x", abi.MaxHTTPHead)}}, nil
		}), `{}`, abi.ErrTooLarge},
		"a response of its size": {fetcher(func(context.Context, sandbox.Request, int) (sandbox.Response, error) {
			return sandbox.Response{Body: make([]byte, abi.MaxHTTPResponse+1)}, nil
		}), `{}`, abi.ErrTooLarge},
	} {
		if sent, read, _ := asked(t, abi.HTTPHead, c.fetch, c.head); sent != c.want || read != abi.ErrState {
			t.Errorf("%s: http_send %d, want %d; http_read %d, want %d", name, sent, c.want, read, abi.ErrState)
		}
	}
}

// A request that is not answered ends at the deadline, like everything else.
func TestARequestEndsAtTheDeadline(t *testing.T) {
	i := start(t, requesting(abi.HTTPHead), sandbox.InstanceConfig{Fetch: fetcher(func(ctx context.Context, _ sandbox.Request, _ int) (sandbox.Response, error) {
		<-ctx.Done()
		return sandbox.Response{}, ctx.Err()
	})})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := i.Invoke(ctx, sandbox.Invocation{Event: []byte(`{}`)})
	mustFault(t, err, sandbox.FaultTimeout)
}
