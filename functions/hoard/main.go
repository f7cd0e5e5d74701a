// Command hoard goes wrong by keeping everything: it allocates megabyte after
// megabyte and touches each page, until there is no more. {"megabytes":N} makes
// it stop at N and answer how much it holds.
package main

import "github.com/aws/aws-lambda-go/lambda"

type request struct {
	Megabytes int `json:"megabytes"`
}

var kept [][]byte

func handle(in request) (int, error) {
	const page = 4096
	for in.Megabytes <= 0 || len(kept) < in.Megabytes {
		block := make([]byte, 1<<20)
		for i := 0; i < len(block); i += page {
			block[i] = 1
		}
		kept = append(kept, block)
	}
	return len(kept), nil
}

func main() { lambda.Start(handle) }
