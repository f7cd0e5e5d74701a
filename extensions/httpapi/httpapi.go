// Package httpapi serves Lambda's Extensions API (2020-01-01), Telemetry API
// (2022-07-01) and Logs API (2020-08-15) to the extensions of one execution
// environment: it binds the routes, bounds and checks the requests, and writes the answers. What a call
// does is decided by the [Lifecycle] and the [Telemetry] behind it. This is the
// one place among the extension packages that knows echo.
//
// Read next: package extapi for the shapes, package extensions for what is
// behind.
package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	"github.com/rs/zerolog"

	"github.com/lambent-host/lambent/extensions/extapi"
)

// Lifecycle is the Extensions API. Errors of type [*extapi.Error] are answered
// as they are, others as an internal error.
type Lifecycle interface {
	// Register makes an extension known and returns its identifier.
	Register(reg extapi.Registration) (extapi.Registered, error)
	// Next waits for the extension's next event and passes it to send, at most
	// once. The event counts as handed out when send has returned nil.
	Next(ctx context.Context, identifier string, send func(extapi.Event) error) error
	// Fail takes an init/error or exit/error.
	Fail(identifier string, failure extapi.Failure) error
}

// Telemetry is the Telemetry API, and the Logs API before it: the schema of a
// subscription tells which of the two was called.
type Telemetry interface {
	// Subscribe tells whether the extension had the same subscription already.
	Subscribe(identifier string, sub extapi.Subscription) (already bool, err error)
}

// New returns the handler of one execution environment.
func New(lifecycle Lifecycle, telemetry Telemetry, log zerolog.Logger) http.Handler {
	api := &api{lifecycle: lifecycle, telemetry: telemetry, log: log}
	e := echo.New()
	e.HTTPErrorHandler = api.answerError
	e.Use(middleware.RecoverWithConfig(middleware.RecoverConfig{LogErrorFunc: func(_ echo.Context, err error, stack []byte) error {
		log.Error().Err(err).Bytes("stack", stack).Msg("extensions API panicked")
		return err
	}}))
	e.POST(extapi.PathRegister, api.register)
	e.GET(extapi.PathNext, api.next)
	e.POST(extapi.PathInitError, api.fail(extapi.FailedInit))
	e.POST(extapi.PathExitError, api.fail(extapi.FailedExit))
	for path, decode := range map[string]decoder{
		extapi.PathTelemetry: extapi.DecodeSubscription,
		extapi.PathLogs:      extapi.DecodeLogsSubscription,
	} {
		e.PUT(path, api.subscribe(decode))
		e.PUT(path+"/", api.subscribe(decode)) // as Lambda's reference writes it
	}
	return e
}

type api struct {
	lifecycle Lifecycle
	telemetry Telemetry
	log       zerolog.Logger
}

func (a *api) register(c echo.Context) error {
	body, err := readBody(c)
	if err != nil {
		return err
	}
	reg, err := extapi.DecodeRegistration(c.Request().Header, body)
	if err != nil {
		return err
	}
	registered, err := a.lifecycle.Register(reg)
	if err != nil {
		return err
	}
	c.Response().Header().Set(extapi.HeaderIdentifier, registered.Identifier)
	return answer(c, http.StatusOK, registered)
}

func (a *api) next(c echo.Context) error {
	id, err := identifier(c)
	if err != nil {
		return err
	}
	return a.lifecycle.Next(c.Request().Context(), id, func(ev extapi.Event) error {
		c.Response().Header().Set(extapi.HeaderEventIdentifier, uuid.NewString())
		if err := answer(c, http.StatusOK, ev); err != nil {
			return err
		}
		// The event must have left before it counts as handed out.
		return http.NewResponseController(c.Response()).Flush()
	})
}

func (a *api) fail(phase extapi.FailurePhase) echo.HandlerFunc {
	return func(c echo.Context) error {
		id, err := identifier(c)
		if err != nil {
			return err
		}
		detail, err := readBody(c) // optional, and of no fixed form
		if err != nil {
			return err
		}
		errorType := c.Request().Header.Get(extapi.HeaderFunctionErrorType)
		if errorType == "" {
			return extapi.Forbidden(extapi.ErrMissingHeader, "header %s is missing", extapi.HeaderFunctionErrorType)
		}
		if err := a.lifecycle.Fail(id, extapi.Failure{Phase: phase, ErrorType: errorType, Detail: string(detail)}); err != nil {
			return err
		}
		return answer(c, http.StatusAccepted, extapi.Accepted{Status: "OK"})
	}
}

// decoder reads the body of a subscription.
type decoder func(body []byte) (extapi.Subscription, error)

func (a *api) subscribe(decode decoder) echo.HandlerFunc {
	return func(c echo.Context) error {
		id, err := identifier(c)
		if err != nil {
			return err
		}
		body, err := readBody(c)
		if err != nil {
			return err
		}
		sub, err := decode(body)
		if err != nil {
			return err
		}
		already, err := a.telemetry.Subscribe(id, sub)
		switch {
		case err != nil:
			return err
		case already:
			return answer(c, http.StatusOK, extapi.SubscriptionAlready)
		}
		// Not 202: extensions take that for "not supported here".
		return answer(c, http.StatusOK, extapi.SubscriptionOK)
	}
}

// answer writes v as JSON with its length and without a line break at the end:
// there are extensions that compare bodies byte by byte.
func answer(c echo.Context, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderContentLength, strconv.Itoa(len(body)))
	return c.Blob(status, echo.MIMEApplicationJSON, body)
}

// identifier is the extension that calls.
func identifier(c echo.Context) (string, error) {
	id := c.Request().Header.Get(extapi.HeaderIdentifier)
	if id == "" {
		return "", extapi.Forbidden(extapi.ErrMissingExtensionIdentifier, "header %s is missing", extapi.HeaderIdentifier)
	}
	if _, err := uuid.Parse(id); err != nil {
		return "", extapi.Forbidden(extapi.ErrInvalidExtensionIdentifier, "header %s is not a UUID", extapi.HeaderIdentifier)
	}
	return id, nil
}

func readBody(c echo.Context) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(c.Response(), c.Request().Body, extapi.MaxBodyBytes))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, &extapi.Error{
			Status: http.StatusRequestEntityTooLarge, Type: extapi.ErrRequestEntityTooLarge,
			Message: "request body is larger than 262144 bytes",
		}
	case err != nil:
		return nil, extapi.BadRequest(extapi.ErrInvalidRequestFormat, "request body ended early: %v", err)
	}
	return body, nil
}

// answerError is the one place that turns errors into answers.
func (a *api) answerError(err error, c echo.Context) {
	if c.Response().Committed {
		return // too late to tell
	}
	if c.Request().Context().Err() != nil {
		// The caller has gone, or the environment ends. Without this the server
		// would answer 200 with an empty body.
		panic(http.ErrAbortHandler)
	}
	var known *extapi.Error
	var routing *echo.HTTPError
	switch {
	case errors.As(err, &known):
	case errors.As(err, &routing) && routing.Code < http.StatusInternalServerError:
		known = &extapi.Error{
			Status: routing.Code, Type: extapi.ErrInvalidRequestFormat,
			Message: "no such call: " + c.Request().Method + " " + c.Request().URL.Path,
		}
	default:
		a.log.Error().Err(err).Str("path", c.Request().URL.Path).Msg("extensions API failed")
		known = &extapi.Error{
			Status: http.StatusInternalServerError, Type: extapi.ErrInternalServerError,
			Message: "internal error: the extension should exit",
		}
	}
	if err := answer(c, known.Status, known); err != nil {
		a.log.Debug().Err(err).Msg("extensions API could not answer")
	}
}
