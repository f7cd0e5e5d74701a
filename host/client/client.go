// Package client talks to a host over Lambda's wire API, for the command line:
// plain net/http, unsigned, no retries. Programs of others are better served by
// an AWS SDK.
//
// Start with [New]. Read next: package lambdaapi, whose shapes it sends and reads.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lambent-host/lambent/host/lambdaapi"
)

const functions = "/2015-03-31/functions"

// maxAnswer bounds what is read of an answer: the largest response of a
// function, and some.
const maxAnswer = 16 << 20

// Client is safe for concurrent use. Errors that the host answers are
// *lambdaapi.Error.
type Client struct {
	endpoint string
	http     *http.Client
	// pause waits between polls.
	pause func(ctx context.Context, d time.Duration) error
}

// New returns a client of the host at endpoint, such as http://127.0.0.1:9400.
// It has no connection until it is used.
func New(endpoint string) *Client {
	return &Client{
		endpoint: strings.TrimRight(endpoint, "/"),
		http:     &http.Client{},
		pause:    pause,
	}
}

// CloseIdle closes connections that are kept for the next call.
func (c *Client) CloseIdle() { c.http.CloseIdleConnections() }

// answer is what came back, with a status below 300.
type answer struct {
	header http.Header
	body   []byte
}

// send makes one request.
func (c *Client) send(ctx context.Context, method, path string, header http.Header, body []byte) (*answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.endpoint+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("endpoint %q: %w", c.endpoint, err)
	}
	for key, values := range header {
		req.Header[key] = values
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("no answer from the host: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("the answer of the host ended early: %w", err)
	case len(text) > maxAnswer:
		return nil, fmt.Errorf("the answer of the host is larger than %d bytes", maxAnswer)
	case res.StatusCode >= http.StatusMultipleChoices:
		return nil, lambdaapi.ReadError(res.StatusCode, res.Header, text)
	}
	return &answer{res.Header, text}, nil
}

// call sends a shape and reads one; in and out may be nil.
func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	var body []byte
	header := http.Header{}
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		header.Set("Content-Type", "application/json")
	}
	got, err := c.send(ctx, method, path, header, body)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(got.body, out); err != nil {
		return fmt.Errorf("the answer is not one of a Lambda API, is the endpoint right? %w", err)
	}
	return nil
}

// path is that of a function, or of something below it.
func path(name, below string) string { return functions + "/" + url.PathEscape(name) + below }

// IsNotFound tells whether err says that the function does not exist.
func IsNotFound(err error) bool {
	var e *lambdaapi.Error
	return errors.As(err, &e) && e.Code == lambdaapi.CodeNotFound
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
