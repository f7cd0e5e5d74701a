package lambdaapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// Error codes of the Lambda API, each with one HTTP status.
const (
	CodeInvalidParameter      = "InvalidParameterValueException"
	CodeInvalidRequestContent = "InvalidRequestContentException"
	CodeValidation            = "ValidationException"
	CodeSerialization         = "SerializationException"
	CodeNotFound              = "ResourceNotFoundException"
	CodeUnknownOperation      = "UnknownOperationException"
	CodeMethodNotAllowed      = "MethodNotAllowedException"
	CodeConflict              = "ResourceConflictException"
	CodePrecondition          = "PreconditionFailedException"
	CodeRequestTooLarge       = "RequestTooLargeException"
	CodeEntityTooLarge        = "RequestEntityTooLargeException"
	CodeUnsupportedMediaType  = "UnsupportedMediaTypeException"
	CodeAccessDenied          = "AccessDeniedException"
	CodeTooManyRequests       = "TooManyRequestsException"
	CodeCodeSigningNotFound   = "CodeSigningConfigNotFoundException"
	CodeSnapStart             = "SnapStartException"
	CodeSnapStartNotReady     = "SnapStartNotReadyException"
	CodeSnapStartTimeout      = "SnapStartTimeoutException"
	CodeService               = "ServiceException"
)

// form is how a code is answered: its status, and the member of the body that
// carries the message, which differs between exceptions of the API model.
// An untyped body has no member Type.
type form struct {
	status  int
	member  string
	untyped bool
}

var forms = map[string]form{
	CodeInvalidParameter:      {status: http.StatusBadRequest, member: "message"},
	CodeInvalidRequestContent: {status: http.StatusBadRequest, member: "message"},
	CodeValidation:            {status: http.StatusBadRequest, member: "message", untyped: true},
	CodeSerialization:         {status: http.StatusBadRequest, member: "Message"},
	CodeNotFound:              {status: http.StatusNotFound, member: "Message"},
	CodeUnknownOperation:      {status: http.StatusNotFound, member: "Message"},
	CodeMethodNotAllowed:      {status: http.StatusMethodNotAllowed, member: "Message"},
	CodeConflict:              {status: http.StatusConflict, member: "message"},
	CodePrecondition:          {status: http.StatusPreconditionFailed, member: "message"},
	CodeRequestTooLarge:       {status: http.StatusRequestEntityTooLarge, member: "message"},
	CodeEntityTooLarge:        {status: http.StatusRequestEntityTooLarge, member: "message", untyped: true},
	CodeUnsupportedMediaType:  {status: http.StatusUnsupportedMediaType, member: "message"},
	CodeAccessDenied:          {status: http.StatusForbidden, member: "Message", untyped: true},
	CodeTooManyRequests:       {status: http.StatusTooManyRequests, member: "message"},
	CodeCodeSigningNotFound:   {status: http.StatusNotFound, member: "Message"},
	CodeSnapStart:             {status: http.StatusBadRequest, member: "Message"},
	CodeSnapStartNotReady:     {status: http.StatusConflict, member: "Message"},
	CodeSnapStartTimeout:      {status: http.StatusRequestTimeout, member: "Message"},
	CodeService:               {status: http.StatusInternalServerError, member: "Message"},
}

// Error is an error as the API answers it, and as a client reads it back.
type Error struct {
	// Code is the exception's name, which travels in a header.
	Code string
	// Status is the HTTP status.
	Status int
	// Message is meant for the user.
	Message string
	// Type is "User" or "Service"; some exceptions have none.
	Type string
	// Reason says why TooManyRequestsException was answered.
	Reason string
	// RetryAfter is in seconds; 0 means that nothing is said about it.
	RetryAfter int
}

// Errorf makes an error of one of the Code constants; any other code is a
// programming error and is answered as ServiceException.
func Errorf(code, format string, args ...any) *Error {
	f, ok := forms[code]
	if !ok {
		code, f = CodeService, forms[CodeService]
	}
	e := &Error{Code: code, Status: f.status, Message: fmt.Sprintf(format, args...)}
	switch {
	case f.untyped:
	case f.status >= http.StatusInternalServerError:
		e.Type = "Service"
	default:
		e.Type = "User"
	}
	return e
}

// Error tells the code and the message.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Body is the JSON body of the answer. The code is not part of it: it travels
// in HeaderErrorType.
func (e *Error) Body() []byte {
	member := forms[e.Code].member
	if member == "" {
		member = "Message"
	}
	body := map[string]string{member: e.Message}
	if e.Type != "" {
		body["Type"] = e.Type
	}
	if e.Reason != "" {
		body["Reason"] = e.Reason
	}
	b, err := json.Marshal(body)
	if err != nil { // a map of strings cannot fail
		panic(err)
	}
	return b
}

// ReadError reads an error answer, also one that does not come from Lambda: then
// the code is the HTTP status's text.
func ReadError(status int, header http.Header, body []byte) *Error {
	e := &Error{Code: header.Get(HeaderErrorType), Status: status}
	var doc struct{ Message, Type, Reason string } // encoding/json ignores case
	if json.Unmarshal(body, &doc) == nil {
		e.Message, e.Type, e.Reason = doc.Message, doc.Type, doc.Reason
	}
	if e.Code == "" {
		e.Code = http.StatusText(status)
	}
	if e.Message == "" {
		e.Message = "HTTP status " + strconv.Itoa(status)
	}
	e.RetryAfter, _ = strconv.Atoi(header.Get("Retry-After"))
	return e
}
