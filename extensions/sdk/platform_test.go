package sdk_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/extensions/httpapi"
	"github.com/lambent-host/lambent/extensions/sdk"
	"github.com/lambent-host/lambent/telemetry"
)

// platform is the host's side of the APIs, for one extension.
type platform struct {
	server   *httptest.Server
	events   chan extapi.Event // what next hands out
	reg      extapi.Registration
	sub      extapi.Subscription
	failures []extapi.Failure
	refuse   error // what Subscribe answers
}

func newPlatform(events ...extapi.Event) *platform {
	p := &platform{events: make(chan extapi.Event, len(events))}
	for _, ev := range events {
		if ev.DeadlineMs == 0 {
			ev.DeadlineMs = time.Now().Add(time.Minute).UnixMilli()
		}
		p.events <- ev
	}
	p.server = httptest.NewServer(httpapi.New(p, p, zerolog.Nop()))
	return p
}

func (p *platform) api() string { return strings.TrimPrefix(p.server.URL, "http://") }

func (p *platform) Register(reg extapi.Registration) (extapi.Registered, error) {
	p.reg = reg
	return extapi.Registered{FunctionName: "f", FunctionVersion: "1", Handler: "h", AccountID: "1", Identifier: uuid.NewString()}, nil
}

func (p *platform) Next(ctx context.Context, _ string, send func(extapi.Event) error) error {
	select {
	case ev := <-p.events:
		return send(ev)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *platform) Fail(_ string, failure extapi.Failure) error {
	p.failures = append(p.failures, failure)
	return nil
}

func (p *platform) Subscribe(_ string, sub extapi.Subscription) (bool, error) {
	p.sub = sub
	return false, p.refuse
}

// deliver posts a body to the subscriber and returns the status.
func (p *platform) deliver(body string) int {
	url := fmt.Sprintf("http://127.0.0.1:%d/", p.sub.Destination.Port)
	res, err := http.Post(url, "application/json", bytes.NewBufferString(body))
	if err != nil {
		panic(err)
	}
	defer func() { _ = res.Body.Close() }()
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	return res.StatusCode
}

// hand gives the subscriber one event, and waits until it has let go of it.
func (p *platform) hand(t *testing.T, protocol sdk.Protocol, line string) {
	t.Helper()
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", p.sub.Destination.Port))
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = conn.Close() }()
	if protocol == sdk.HTTP {
		line = fmt.Sprintf("POST / HTTP/1.1\r\nHost: sandbox\r\nContent-Length: %d\r\n\r\n[%s]", len(line)+2, line)
	}
	if _, err := io.WriteString(conn, line); err != nil {
		t.Error(err)
	}
	_, _ = io.Copy(io.Discard, conn) // until it is closed
}

func batch(events ...telemetry.Event) string {
	b, err := json.Marshal(events)
	if err != nil {
		panic(err)
	}
	return string(b)
}
