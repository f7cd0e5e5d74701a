// Package lambdaapi holds the wire shapes of AWS Lambda's API (rest-json,
// 2015-03-31): what requests and answers look like as JSON, how functions are
// named, which values are refused in which words, and the form of an error. It
// has no network and no state; the HTTP API serves these shapes, the client
// reads them.
//
// Start with [ParseName] and [Error]. Read next: package httpapi.
package lambdaapi

// Limits of the Lambda API (developer guide, "Lambda quotas"; CreateFunction's
// as the service words it in its error).
const (
	// MaxCreateRequestBytes is the largest request that carries code, the base64
	// of a 50 MB package and the rest.
	MaxCreateRequestBytes = 70167211
	// MaxRequestBytes is the largest other management request. It is Lambent's own.
	MaxRequestBytes = 1 << 20
	// MaxSyncPayloadBytes is the largest payload of a synchronous invocation.
	MaxSyncPayloadBytes = 6291456
	// MaxAsyncPayloadBytes is the largest payload of an asynchronous one.
	MaxAsyncPayloadBytes = 1048576
	// MaxClientContextBytes is the largest client context, as base64.
	MaxClientContextBytes = 3583
	// MaxUnzippedBytes is the largest package, unpacked.
	MaxUnzippedBytes = 262144000
	// MaxZippedBytes is the largest package, as uploaded.
	MaxZippedBytes = 52428800
)

// Headers of Invoke and of every answer.
const (
	HeaderInvocationType  = "X-Amz-Invocation-Type"
	HeaderLogType         = "X-Amz-Log-Type"
	HeaderClientContext   = "X-Amz-Client-Context"
	HeaderFunctionError   = "X-Amz-Function-Error"
	HeaderLogResult       = "X-Amz-Log-Result"
	HeaderExecutedVersion = "X-Amz-Executed-Version"
	HeaderTraceID         = "X-Amzn-Trace-Id"
	HeaderRequestID       = "x-amzn-RequestId"
	HeaderErrorType       = "x-amzn-ErrorType"
)

// Values of HeaderInvocationType and HeaderLogType.
const (
	InvocationRequestResponse = "RequestResponse"
	InvocationEvent           = "Event"
	InvocationDryRun          = "DryRun"
	LogNone                   = "None"
	LogTail                   = "Tail"
)
