// Command recurse goes wrong by calling itself: without end and ever deeper
// ({"kind":"deep"}, the default), or in a tree of calls that is shallow but
// would take years to walk ({"kind":"wide"}), which no check in loops sees.
package main

import "github.com/aws/aws-lambda-go/lambda"

type request struct {
	Kind string `json:"kind"`
}

func deep(n uint64) uint64 { return deep(n+1) + n }

func wide(n uint64) uint64 {
	if n < 2 {
		return n
	}
	return wide(n-1) + wide(n-2)
}

func handle(in request) (uint64, error) {
	if in.Kind == "wide" {
		return wide(90), nil
	}
	return deep(1), nil
}

func main() { lambda.Start(handle) }
