package sdk

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/lambent-host/lambent/extensions/extapi"
)

// Client speaks Lambda's Extensions API (2020-01-01) and Telemetry API
// (2022-07-01) as one registered extension. One goroutine may be in Next; the
// other methods can be called beside it. A refusal by the platform is an
// [*extapi.Error].
type Client struct {
	base string
	id   string
	http *http.Client
}

// maxAnswerBytes bounds what is read of an answer; a next event is below 4 KiB.
const maxAnswerBytes = 1 << 20

// Register makes the extension known at the API with the given host:port.
func Register(ctx context.Context, api, name string, events ...extapi.EventType) (*Client, Info, error) {
	c := &Client{
		base: "http://" + api,
		// No timeout: a next call waits as long as the environment is idle. No
		// proxy: the API is inside the environment.
		http: &http.Client{Transport: &http.Transport{}},
	}
	if events == nil {
		events = []extapi.EventType{}
	}
	body := map[string]any{"events": events}
	var info Info
	header, err := c.call(ctx, http.MethodPost, extapi.PathRegister, body, &info, extapi.HeaderName, name,
		extapi.HeaderAcceptFeature, "accountId")
	if err != nil {
		return nil, Info{}, fmt.Errorf("register extension %s: %w", name, err)
	}
	c.id = header.Get(extapi.HeaderIdentifier)
	info.Identifier = c.id
	return c, info, nil
}

// Next tells the platform that the extension has done its work and waits for the
// next event.
func (c *Client) Next(ctx context.Context) (Event, error) {
	var ev Event
	if _, err := c.call(ctx, http.MethodGet, extapi.PathNext, nil, &ev); err != nil {
		return Event{}, fmt.Errorf("next event: %w", err)
	}
	return ev, nil
}

// Subscribe asks for telemetry; the platform takes that only before the first
// call of Next has been made by every extension.
func (c *Client) Subscribe(ctx context.Context, req extapi.SubscriptionRequest) error {
	if _, err := c.call(ctx, http.MethodPut, extapi.PathTelemetry, req, nil); err != nil {
		return fmt.Errorf("subscribe to telemetry: %w", err)
	}
	return nil
}

// InitError reports that the extension could not start; the process should then
// exit. The type is the extension's own, in the form "Extension.NoSuchKey".
func (c *Client) InitError(ctx context.Context, errorType string, cause error) error {
	return c.fail(ctx, extapi.PathInitError, errorType, cause)
}

// ExitError reports that the extension cannot go on; the process should then
// exit.
func (c *Client) ExitError(ctx context.Context, errorType string, cause error) error {
	return c.fail(ctx, extapi.PathExitError, errorType, cause)
}

// Close lets go of the connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func (c *Client) fail(ctx context.Context, path, errorType string, cause error) error {
	body := map[string]any{"errorType": errorType, "errorMessage": cause.Error(), "stackTrace": []string{}}
	_, err := c.call(ctx, http.MethodPost, path, body, nil, extapi.HeaderFunctionErrorType, errorType)
	if err != nil {
		return fmt.Errorf("report an error: %w", err)
	}
	return nil
}

// call makes one request; headers are names and values in turn.
func (c *Client) call(ctx context.Context, method, path string, in, out any, headers ...string) (http.Header, error) {
	var body io.Reader
	if in != nil {
		encoded, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.id != "" {
		req.Header.Set(extapi.HeaderIdentifier, c.id)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswerBytes))
	if err != nil {
		return nil, err
	}
	return res.Header, decodeAnswer(res.StatusCode, path, answer, out)
}

func decodeAnswer(status int, path string, answer []byte, out any) error {
	switch {
	case status >= http.StatusBadRequest, path == extapi.PathTelemetry && status == http.StatusAccepted:
		refusal := &extapi.Error{Status: status, Type: "HTTP" + fmt.Sprint(status)}
		if json.Unmarshal(answer, refusal) != nil {
			refusal.Message = string(answer)
		}
		return refusal
	case out == nil:
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("answer of %s: %w", path, err)
	}
	return nil
}
