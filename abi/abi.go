// Package abi is the contract between a guest (a function compiled to
// WebAssembly) and the host that runs it: the names that cross the border, the
// layout of what crosses memory, the version, and the error numbers.
//
// A guest is one of two kinds. A reactor exports [ExportInvoke] and talks to
// the host through the imports of [Module]; it stays alive between
// invocations. A command exports [ExportStart] only and is an ordinary WASI
// program: the event on stdin, the response on stdout, logs on stderr, one run
// per invocation.
//
// The package holds constants and no behaviour, and imports nothing, so that
// both sides can stand on it. abi/abi.md is the same contract in prose,
// abi/c/lambent.h for C. Read next: package guest, the guest side for Go.
package abi

// Version is the version of the contract that this package describes. It is
// part of the import module's name, so that a guest built for another version
// is refused when it is deployed and not when it runs.
const Version = 1

// Module is the import module of ABI version 1.
const Module = "lambent_v1"

// Imports of [Module]. Pointers and lengths are u32 offsets into the guest's
// exported memory "memory". Every function that returns an i32 returns a
// negative error number of this package when it fails and changes nothing then.
const (
	// ImportEventRead is event_read(ptr, cap, offset i32) -> i32: copies up to
	// cap bytes of the event, from offset on, to ptr; returns the number copied.
	ImportEventRead = "event_read"
	// ImportResponseWrite is response_write(ptr, len i32) -> i32: appends to the
	// response; returns 0. [ErrTooLarge] past the response limit.
	ImportResponseWrite = "response_write"
	// ImportFail is fail(type_ptr, type_len, message_ptr, message_len i32) -> i32:
	// the invocation (or init) failed; the host writes the error document.
	ImportFail = "fail"
	// ImportFailDocument is fail_document(ptr, len i32) -> i32: as fail, with the
	// whole error document of Lambda's Runtime API, a JSON object with
	// errorMessage, errorType and, optionally, stackTrace.
	ImportFailDocument = "fail_document"
	// ImportContextRead is context_read(field, ptr, cap i32) -> i32: copies the
	// context field to ptr if it fits and returns its length in bytes; when the
	// length is greater than cap nothing is copied. Unknown field: [ErrInvalid].
	ImportContextRead = "context_read"
	// ImportDeadline is deadline_ms() -> i64: when the invocation must have
	// ended, in milliseconds since the Unix epoch. 0 during init.
	ImportDeadline = "deadline_ms"
	// ImportHTTPSend is http_send(head_ptr, head_len, body_ptr, body_len i32) -> i32:
	// sends a request and waits for the response. The head is a JSON object with
	// method, url and, optionally, headers (an object of strings). Returns the length
	// of the response's head in bytes, a JSON object with status, headers and
	// bodyLength. It is for telemetry consumers, and for the hosts their operator has
	// named: everybody else gets [ErrDenied].
	ImportHTTPSend = "http_send"
	// ImportHTTPRead is http_read(part, ptr, cap, offset i32) -> i32: copies up to cap
	// bytes of a part of the last response, [HTTPHead] or [HTTPBody], from offset on,
	// to ptr; returns the number copied, 0 at the end.
	ImportHTTPRead = "http_read"
)

// Exports of a guest.
const (
	// ExportInvoke is lambent_invoke(event_len i32) -> i32, called once per
	// invocation, never concurrently. 0: the response written so far is the
	// answer, or the failure reported with fail. Anything else: the guest
	// failed without a document.
	ExportInvoke = "lambent_invoke"
	// ExportInit is lambent_init() -> i32, optional, called once after
	// [ExportInitialize]. Anything but 0 fails init.
	ExportInit = "lambent_init"
	// ExportBeforeSnapshot is lambent_before_snapshot() -> i32, optional, called
	// once before the guest is captured. Anything but 0 refuses.
	ExportBeforeSnapshot = "lambent_before_snapshot"
	// ExportAfterRestore is lambent_after_restore() -> i32, optional, called once
	// in each guest that was restored from a snapshot, before its first
	// invocation. Anything but 0 fails the restore.
	ExportAfterRestore = "lambent_after_restore"
	// ExportInitialize is the WASI reactor's _initialize, optional.
	ExportInitialize = "_initialize"
	// ExportStart is the WASI command's entry point.
	ExportStart = "_start"
	// ExportMemory is the linear memory every reactor must export.
	ExportMemory = "memory"
)

// Context fields of context_read.
const (
	// FieldRequestID is the invocation's request id (a UUID).
	FieldRequestID = 1
	// FieldFunctionARN is the ARN the function was invoked by.
	FieldFunctionARN = 2
	// FieldTraceID is the value of X-Amzn-Trace-Id, empty when there is none.
	FieldTraceID = 3
	// FieldClientContext is the client context as JSON, empty when there is none.
	FieldClientContext = 4
	// FieldCognitoIdentity is the Cognito identity as JSON, empty when there is none.
	FieldCognitoIdentity = 5
)

// Error numbers. They are negative so that a length can share the return value.
const (
	// ErrFault: a pointer and length lie outside the guest's memory.
	ErrFault = -1
	// ErrTooLarge: the response would exceed its limit; the invocation fails
	// with Function.ResponseSizeTooLarge whatever the guest does next. Of http_send:
	// head, body or what came back exceed theirs.
	ErrTooLarge = -2
	// ErrState: the call is not allowed now (no invocation is running, or the
	// invocation has failed already).
	ErrState = -3
	// ErrInvalid: an argument has no meaning (an unknown context field, an error
	// document that is not a JSON object, a request that is none).
	ErrInvalid = -4
	// ErrDenied: the guest may not reach that host.
	ErrDenied = -5
	// ErrUnreachable: no response came: the host is not there, did not answer in
	// time, or broke off.
	ErrUnreachable = -6
)

// Parts of the last response, for http_read.
const (
	// HTTPHead is the JSON object with status, headers and bodyLength.
	HTTPHead = 0
	// HTTPBody is the body, as it came.
	HTTPBody = 1
)

// Limits of http_send, in bytes. More is [ErrTooLarge]; the invocation goes on.
const (
	MaxHTTPHead     = 64 << 10
	MaxHTTPBody     = 8 << 20
	MaxHTTPResponse = 1 << 20
)

// MaxResponseBytes is the default limit of a response: 6 MiB and 100 bytes, as
// Lambda's recorded error text for a synchronous invocation has it.
const MaxResponseBytes = 6*1024*1024 + 100

// Kind is what a module is to the host.
type Kind uint8

// The kinds of guest.
const (
	// KindReactor exports [ExportInvoke] and stays alive between invocations.
	KindReactor Kind = iota + 1
	// KindCommand exports [ExportStart] and runs once per invocation.
	KindCommand
)

// String names the kind for messages.
func (k Kind) String() string {
	switch k {
	case KindReactor:
		return "reactor"
	case KindCommand:
		return "command"
	}
	return "unknown"
}
