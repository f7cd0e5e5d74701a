// Command flood goes wrong by saying too much: {"logLines":N} writes N lines of
// 100 bytes to its log, {"responseBytes":N} answers with a JSON string of N
// bytes, quotes included.
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/aws/aws-lambda-go/lambda"
)

type request struct {
	LogLines      int `json:"logLines"`
	ResponseBytes int `json:"responseBytes"`
}

func handle(in request) (string, error) {
	for i := 0; i < in.LogLines; i++ {
		fmt.Fprintf(os.Stdout, "%08d %s\n", i, strings.Repeat("x", 90))
	}
	return strings.Repeat("y", max(0, in.ResponseBytes-2)), nil
}

func main() { lambda.Start(handle) }
