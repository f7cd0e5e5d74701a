// Package ceiling is the HTTP server that a function host could at best be: a
// plain echo handler that reads the request and answers bytes it has ready. What
// a host takes longer than this is its own work and the function's.
//
// Read next: package bench, which measures both in one run.
package ceiling

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// Path is where the handler answers, of the form that Lambda's Invoke has, so
// that routing costs the same.
const Path = "/2015-03-31/functions/ceiling/invocations"

// maxRequestBytes is Lambda's limit for a synchronous payload.
const maxRequestBytes = 6 << 20

// Server is a running ceiling.
type Server struct {
	listener net.Listener
	server   *http.Server
	served   chan error
}

// Start listens on a free port of loopback and answers every POST to [Path]
// with answer, in a goroutine that Close ends.
func Start(ctx context.Context, answer []byte) (*Server, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("ceiling: %w", err)
	}
	e := echo.New()
	e.POST("/2015-03-31/functions/:name/invocations", func(c echo.Context) error {
		if _, err := io.ReadAll(io.LimitReader(c.Request().Body, maxRequestBytes)); err != nil {
			return err
		}
		return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, answer)
	})
	s := &Server{
		listener: listener,
		server:   &http.Server{Handler: e, ReadHeaderTimeout: 10 * time.Second},
		served:   make(chan error, 1),
	}
	go func() { s.served <- s.server.Serve(listener) }()
	return s, nil
}

// URL is the address of the handler.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() + Path }

// Close ends the server at once. It is called once.
func (s *Server) Close() error {
	err := s.server.Close()
	if served := <-s.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
