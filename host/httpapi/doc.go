// Package httpapi is the HTTP face of the host: AWS Lambda's wire API on the
// routes, with the status codes, headers and error bodies that Lambda's clients
// know, and two routes of the host's own.
//
// [New] makes the handler. The router (echo v4) is used in router.go only;
// operations take and return plain structs. Limits on headers and on the time a
// request may take to arrive belong to the server that package host makes.
//
// Nothing is authenticated yet, so the handler belongs on a loopback address.
//
// Read next: invoke.go, where an invocation comes in, then package invoke.
package httpapi
