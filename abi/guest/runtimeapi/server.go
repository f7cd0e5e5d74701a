package runtimeapi

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/lambent-host/lambent/abi/guest"
)

const (
	runtimePrefix   = "/2018-06-01/runtime/"
	extensionPrefix = "/2020-01-01/extension/"

	// A handler that fails while its response is being read announces it in
	// these trailers; the body is the error document in base64.
	trailerErrorType = "Lambda-Runtime-Function-Error-Type"
	trailerErrorBody = "Lambda-Runtime-Function-Error-Body"
)

// current is the invocation that is waiting for its answer.
var (
	mu        sync.Mutex
	current   invocation
	currentID string
)

// invocation is what the server needs of a *guest.Invocation.
type invocation interface {
	Respond(payload []byte) error
	FailDocument(document []byte) error
}

// park keeps a goroutine waiting for as long as the guest lives.
var park = func() { select {} }

// reply is what the server answers.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// serve answers the requests of one connection, one after the other, until the
// client closes it or sends what is not HTTP.
func serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	reader := bufio.NewReader(conn)
	for {
		request, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		body, err := io.ReadAll(request.Body) // reads the trailers too
		if err != nil {
			return
		}
		if _, err := conn.Write(route(request, body).bytes()); err != nil {
			return
		}
	}
}

func (r reply) bytes() []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "HTTP/1.1 %d %s\r\n", r.status, http.StatusText(r.status))
	header := r.header
	if header == nil {
		header = http.Header{}
	}
	if header.Get("Content-Type") == "" {
		header.Set("Content-Type", "application/json")
	}
	header.Set("Content-Length", strconv.Itoa(len(r.body)))
	_ = header.Write(&out) // a bytes.Buffer takes everything
	out.WriteString("\r\n")
	out.Write(r.body)
	return out.Bytes()
}

func route(request *http.Request, body []byte) reply {
	path := request.URL.Path
	switch {
	case request.Method == http.MethodGet && path == runtimePrefix+"invocation/next":
		return next()
	case request.Method == http.MethodPost && path == runtimePrefix+"init/error":
		return outcome(guest.InitFail(body))
	case request.Method == http.MethodPost && strings.HasPrefix(path, runtimePrefix+"invocation/"):
		rest := strings.TrimPrefix(path, runtimePrefix+"invocation/")
		if slash := strings.IndexByte(rest, '/'); slash > 0 {
			return answer(rest[:slash], rest[slash+1:], body, request.Trailer)
		}
	case request.Method == http.MethodPost && path == extensionPrefix+"register":
		return reply{
			status: http.StatusOK,
			header: http.Header{"Lambda-Extension-Identifier": {"00000000-0000-4000-8000-000000000001"}},
			body:   []byte("{}"),
		}
	case request.Method == http.MethodGet && path == extensionPrefix+"event/next":
		park() // an extension without events
	}
	return failure(http.StatusNotFound, "InvalidPath", "no such endpoint: "+request.Method+" "+path)
}

// next waits for the host. The headers are those of the Runtime API, and like
// there an empty one is left out.
func next() reply {
	inv, err := guest.Next()
	if err != nil {
		return failure(http.StatusInternalServerError, "NoHost", err.Error())
	}
	id := inv.RequestID()
	mu.Lock()
	current, currentID = inv, id
	mu.Unlock()
	header := http.Header{}
	for name, value := range map[string]string{
		"Lambda-Runtime-Aws-Request-Id":       id,
		"Lambda-Runtime-Deadline-Ms":          strconv.FormatInt(inv.Deadline().UnixNano()/1e6, 10),
		"Lambda-Runtime-Invoked-Function-Arn": inv.FunctionARN(),
		"Lambda-Runtime-Trace-Id":             inv.TraceID(),
		"Lambda-Runtime-Client-Context":       inv.ClientContext(),
		"Lambda-Runtime-Cognito-Identity":     inv.CognitoIdentity(),
	} {
		if value != "" {
			header.Set(name, value)
		}
	}
	return reply{status: http.StatusOK, header: header, body: inv.Event()}
}

// answer passes a response or an error on to the host.
func answer(id, what string, body []byte, trailer http.Header) reply {
	mu.Lock()
	inv, waiting := current, currentID
	mu.Unlock()
	if inv == nil || id != waiting {
		return failure(http.StatusBadRequest, "InvalidRequestID", "no invocation "+id+" is waiting for an answer")
	}
	switch {
	case what == "error":
		return outcome(inv.FailDocument(body))
	case what == "response" && trailer.Get(trailerErrorType) != "":
		return outcome(inv.FailDocument(trailerDocument(trailer)))
	case what == "response":
		return outcome(inv.Respond(body))
	}
	return failure(http.StatusNotFound, "InvalidPath", "no such endpoint: "+what)
}

// trailerDocument is the error document of a response that broke off.
func trailerDocument(trailer http.Header) []byte {
	document, err := base64.StdEncoding.DecodeString(trailer.Get(trailerErrorBody))
	if err == nil && len(document) > 0 {
		return document
	}
	return errorDocument(trailer.Get(trailerErrorType), "the response broke off")
}

// outcome is the reply to a client whose request ended with err.
func outcome(err error) reply {
	switch {
	case err == nil:
		return reply{status: http.StatusAccepted, body: []byte(`{"status":"OK"}`)}
	case errors.Is(err, guest.ErrTooLarge):
		return failure(http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", err.Error())
	case errors.Is(err, guest.ErrAnswered):
		return failure(http.StatusBadRequest, "InvalidRequestID", err.Error())
	}
	return failure(http.StatusBadRequest, "InvalidRequest", err.Error())
}

func failure(status int, errorType, message string) reply {
	return reply{status: status, body: errorDocument(errorType, message)}
}

func errorDocument(errorType, message string) []byte {
	document, err := json.Marshal(map[string]string{"errorType": errorType, "errorMessage": message})
	if err != nil { // a map of strings: cannot happen
		return []byte("{}")
	}
	return document
}
