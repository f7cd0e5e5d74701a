// Package runtimeapi serves AWS Lambda's Runtime API inside the guest, for
// programs that bring a client of their own: any version of aws-lambda-go.
//
// Importing it is enough. The client dials $AWS_LAMBDA_RUNTIME_API through
// net/http's default transport; here that address leads into a pipe, and at
// its other end HTTP becomes calls of package guest. No socket is involved,
// which is as well: Go's wasip1 has none.
//
// It works with every version because it knows the wire and nothing else, and
// it is slow for the same reason: each invocation passes through net/http
// several times. Package gobuild therefore prefers to replace aws-lambda-go's
// own loop and falls back to this package.
//
// Protocol: Lambda Runtime API 2018-06-01, and of the Extensions API 2020-01-01
// as much as aws-lambda-go's internal extension for SIGTERM needs, which asks
// for no event and therefore waits for ever. Read next: server.go.
package runtimeapi
