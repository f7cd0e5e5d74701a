package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/lambent-host/lambent/host/lambdaapi"
)

// requestTimeout ends a request that would otherwise hang the run.
const requestTimeout = 30 * time.Second

// newHTTPClient returns a client that keeps one connection for each worker.
func newHTTPClient(workers int) *http.Client {
	return &http.Client{
		Timeout: requestTimeout,
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{}).DialContext, // no proxy: it is loopback
			MaxIdleConns:        workers,
			MaxIdleConnsPerHost: workers,
			DisableCompression:  true,
		},
	}
}

// sender posts one payload to one URL. It is safe for concurrent use.
type sender struct {
	http    *http.Client
	url     string
	payload []byte
	tail    bool // ask for the log
}

// send makes one request and returns the answer with the time it took. An
// answer that is not a function's success is an error.
func (s *sender) send(ctx context.Context) (body []byte, header http.Header, took time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(s.payload))
	if err != nil {
		return nil, nil, 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	if s.tail {
		req.Header.Set(lambdaapi.HeaderLogType, lambdaapi.LogTail)
	}
	began := time.Now()
	res, err := s.http.Do(req)
	if err != nil {
		return nil, nil, 0, err
	}
	body, err = io.ReadAll(res.Body)
	took = time.Since(began)
	_ = res.Body.Close() // read to its end, or broken
	switch {
	case err != nil:
		return nil, nil, 0, fmt.Errorf("the answer ended early: %w", err)
	case res.StatusCode != http.StatusOK:
		return nil, nil, 0, fmt.Errorf("status %s: %.200s", res.Status, body)
	case res.Header.Get(lambdaapi.HeaderFunctionError) != "":
		return nil, nil, 0, fmt.Errorf("the function failed: %.200s", body)
	}
	return body, res.Header, took, nil
}
