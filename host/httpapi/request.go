package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/lambent-host/lambent/host/lambdaapi"
)

// request is an HTTP request free of the router.
type request struct {
	operation string // its name in the API
	id        string // told in x-amzn-RequestId
	base      string // scheme and authority the client used, without a slash at the end
	param     func(name string) string
	query     url.Values
	header    http.Header
	body      io.Reader
	length    int64 // of body in bytes, -1 if not known
}

// response is an answer free of the router. A body without Content-Type is JSON.
type response struct {
	status int
	header http.Header
	body   []byte
}

// operation answers a request; errors go through apiError.
type operation func(ctx context.Context, r *request) (response, error)

// maxDrain is how much of a body that is too large is read and thrown away, so
// that a client which writes all before it reads gets to see the error.
const maxDrain = lambdaapi.MaxCreateRequestBytes

// errTooLarge tells that a body is over its limit.
var errTooLarge = errors.New("body too large")

// read reads the body, at most limit bytes; errTooLarge if there is more. A body
// of another kind than JSON is refused.
func (r *request) read(limit int64) ([]byte, error) {
	if r.length != 0 && !readable(r.header.Get("Content-Type")) {
		return nil, lambdaapi.Errorf(lambdaapi.CodeUnsupportedMediaType, "The content type %q is not supported, send application/json", shown(r.header.Get("Content-Type")))
	}
	if r.length > limit {
		r.drain()
		return nil, errTooLarge
	}
	body, err := readAll(io.LimitReader(r.body, limit+1), r.length)
	if err != nil {
		return nil, lambdaapi.Errorf(lambdaapi.CodeSerialization, "The body of the request ended early: %v", err)
	}
	if int64(len(body)) > limit {
		r.drain()
		return nil, errTooLarge
	}
	return body, nil
}

// readable tells whether a content type may stand for JSON. Clients send none at
// all, octet-stream or JSON for the same thing, and curl says "form" unless told
// otherwise.
func readable(contentType string) bool {
	if contentType == "" {
		return true
	}
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	switch kind {
	case "application/json", "application/octet-stream", "binary/octet-stream", "application/x-www-form-urlencoded":
		return true
	}
	return strings.HasPrefix(kind, "application/x-amz-json") || strings.HasSuffix(kind, "+json")
}

// firstRoom is how many bytes of room a body gets because it was announced.
const firstRoom = 64 << 10

// readAll is io.ReadAll for a body whose length may be known (-1: it is not).
// Room is made as the body comes, at most twice what has come: a client may
// announce megabytes on each of many connections, and send nothing.
func readAll(from io.Reader, length int64) ([]byte, error) {
	if length < 0 {
		return io.ReadAll(from)
	}
	body := make([]byte, min(length, firstRoom))
	for have := 0; ; {
		n, err := io.ReadFull(from, body[have:])
		if have += n; err == nil && int64(have) < length {
			body = append(make([]byte, 0, min(length, 2*int64(have))), body...)
			body = body[:cap(body)]
			continue
		}
		if errors.Is(err, io.EOF) && length > 0 {
			err = io.ErrUnexpectedEOF
		}
		return body[:have], err
	}
}

func (r *request) drain() { _, _ = io.CopyN(io.Discard, r.body, maxDrain) }

// Large uploads take turns: each is in memory as JSON, as a package and as what
// is in it, some 200 MB at worst.
const (
	maxUploads  = 4
	largeUpload = 1 << 20 // bytes; smaller ones do not wait
)

// upload waits for a place for a request that carries code, until ctx is done.
func (a *api) upload(ctx context.Context, r *request) (release func(), err error) {
	if r.length >= 0 && r.length < largeUpload {
		return func() {}, nil
	}
	select {
	case a.uploads <- struct{}{}:
		return func() { <-a.uploads }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for other uploads: %w", ctx.Err())
	}
}

// checked is a request shape that knows its rules.
type checked interface{ Validate() error }

// decode reads the body into a shape and validates it.
func (r *request) decode(limit int64, into checked) error {
	body, err := r.read(limit)
	if errors.Is(err, errTooLarge) {
		return lambdaapi.Errorf(lambdaapi.CodeEntityTooLarge, "Request must be smaller than %d bytes for the %s operation", limit, r.operation)
	}
	if err != nil {
		return err
	}
	if err := lambdaapi.Decode(body, into); err != nil {
		return err
	}
	return into.Validate()
}

// page reads Marker and MaxItems (1 to 10000; 0 when not given).
func (r *request) page() (marker string, items int, err error) {
	marker = r.query.Get("Marker")
	given := r.query.Get("MaxItems")
	if given == "" {
		return marker, 0, nil
	}
	items, err = strconv.Atoi(given)
	if err != nil {
		return "", 0, lambdaapi.Errorf(lambdaapi.CodeSerialization, "MaxItems cannot be read: %q is not an integer", given)
	}
	var v lambdaapi.Violations
	v.Range("maxItems", items, 1, 10000)
	return marker, items, v.Err()
}

// function reads the name in the path for an operation on a whole function.
func (a *api) function(r *request) (string, error) {
	n, err := lambdaapi.ParseManagedName(r.param("name"))
	if err != nil {
		return "", err
	}
	return a.own(n)
}

// own refuses qualifiers and names of elsewhere.
func (a *api) own(n lambdaapi.Name) (string, error) {
	if err := n.Unqualified(); err != nil {
		return "", err
	}
	return n.Function, n.In(a.cfg.Region, a.cfg.AccountID)
}

// qualified reads the name in the path and the qualifier in it or in the query.
func (a *api) qualified(r *request) (lambdaapi.Name, error) {
	n, err := lambdaapi.ParseName(r.param("name"))
	if err != nil {
		return n, err
	}
	q, err := lambdaapi.ParseQualifier(r.query.Get("Qualifier"))
	if err != nil {
		return n, err
	}
	if n, err = n.WithQualifier(q); err != nil {
		return n, err
	}
	return n, n.In(a.cfg.Region, a.cfg.AccountID)
}

// answer makes a response of a shape.
func answer(status int, shape any) (response, error) {
	body, err := json.Marshal(shape)
	if err != nil {
		return response{}, fmt.Errorf("encode answer: %w", err)
	}
	return response{status: status, body: body}, nil
}

// done is an answer without a body.
func done() (response, error) { return response{status: http.StatusNoContent}, nil }
