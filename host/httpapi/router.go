package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/lambent-host/lambent/host/lambdaapi"
)

// route binds a method and a path to an operation; ":x" is a parameter.
type route struct {
	method, path, name string
	do                 operation
}

// router is what is between echo and the operations.
type router struct {
	cfg Config
}

// newRouter registers the routes, each with and without a slash at its end.
func newRouter(cfg Config, routes []route) http.Handler {
	r := &router{cfg: cfg}
	e := echo.New()
	e.HTTPErrorHandler = r.unrouted
	e.Pre(identify)
	for _, rt := range routes {
		e.Add(rt.method, rt.path, r.serve(rt))
		e.Add(rt.method, rt.path+"/", r.serve(rt))
	}
	if cfg.Metrics != nil {
		e.GET("/metrics", echo.WrapHandler(cfg.Metrics))
	}
	return r.guard(e)
}

// identify gives every answer, errors of the router too, its request id.
func identify(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Response().Header().Set(lambdaapi.HeaderRequestID, uuid.NewString())
		return next(c)
	}
}

// serve runs one operation and writes its answer.
func (r *router) serve(rt route) echo.HandlerFunc {
	return func(c echo.Context) error {
		req := plainRequest(c, rt.name)
		ctx := r.cfg.Propagator.Extract(c.Request().Context(), propagation.HeaderCarrier(req.header))
		res, err := r.run(ctx, rt, req)
		if err != nil {
			res = r.failed(req, err)
		}
		write(c, res)
		return nil
	}
}

// run is the operation with a span around it, and without its panics.
func (r *router) run(ctx context.Context, rt route, req *request) (res response, err error) {
	if rt.name != opInvoke && rt.name != opHealth { // an invocation has a span of its own, and a probe is no news
		var span trace.Span
		ctx, span = r.cfg.Tracer.Start(ctx, rt.name, trace.WithSpanKind(trace.SpanKindServer))
		defer func() {
			if err != nil {
				span.SetStatus(codes.Error, apiError(err).Code)
			}
			span.End()
		}()
	}
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			panic(p)
		default:
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return rt.do(ctx, req)
}

// failed makes the answer of an error. What went wrong inside is for the log only.
func (r *router) failed(req *request, err error) response {
	e := apiError(err)
	if e.Status >= http.StatusInternalServerError && !errors.Is(err, context.Canceled) {
		r.cfg.Log.Error().Err(err).Str("operation", req.operation).Str("request", req.id).Msg("request failed")
	}
	return errorResponse(e)
}

// unrouted answers what matches no route.
func (r *router) unrouted(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	method, path := c.Request().Method, shown(c.Request().URL.Path)
	var e *lambdaapi.Error
	switch {
	case errors.Is(err, echo.ErrNotFound):
		e = lambdaapi.Errorf(lambdaapi.CodeUnknownOperation, "There is no operation %s %s on this host.", method, path)
	case errors.Is(err, echo.ErrMethodNotAllowed):
		e = lambdaapi.Errorf(lambdaapi.CodeMethodNotAllowed, "The method %s is not allowed for %s; allowed: %s.", method, path, c.Response().Header().Get(echo.HeaderAllow))
	default:
		write(c, r.failed(plainRequest(c, "route"), err))
		return
	}
	write(c, errorResponse(e))
}

func errorResponse(e *lambdaapi.Error) response {
	res := response{status: e.Status, header: http.Header{}, body: e.Body()}
	res.header.Set(lambdaapi.HeaderErrorType, e.Code)
	if e.RetryAfter > 0 {
		res.header.Set("Retry-After", fmt.Sprint(e.RetryAfter))
	}
	return res
}

// shown bounds a path for messages.
func shown(path string) string {
	const limit = 256
	if len(path) > limit {
		return strings.ToValidUTF8(path[:limit], "") + "..."
	}
	return path
}

// plainRequest takes what operations need out of echo.
func plainRequest(c echo.Context, operation string) *request {
	hr := c.Request()
	scheme := "http://"
	if hr.TLS != nil {
		scheme = "https://"
	}
	return &request{
		operation: operation,
		id:        c.Response().Header().Get(lambdaapi.HeaderRequestID),
		base:      scheme + hr.Host,
		param: func(name string) string {
			value := c.Param(name)
			if hr.URL.RawPath == "" { // echo matched the decoded path
				return value
			}
			if plain, err := url.PathUnescape(value); err == nil {
				return plain
			}
			return value
		},
		query:  hr.URL.Query(),
		header: hr.Header,
		body:   hr.Body,
		length: hr.ContentLength,
	}
}

// write sends the answer. Failing to is the caller's loss: nobody is left to be told.
func write(c echo.Context, res response) {
	h := c.Response().Header()
	for key, values := range res.header {
		h[key] = values
	}
	if len(res.body) > 0 && h.Get(echo.HeaderContentType) == "" {
		h.Set(echo.HeaderContentType, echo.MIMEApplicationJSON)
	}
	c.Response().WriteHeader(res.status)
	if len(res.body) > 0 {
		_, _ = c.Response().Write(res.body)
	}
}
