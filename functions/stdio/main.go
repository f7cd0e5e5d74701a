// Command stdio is a function in the plainest form, which any language has: a
// WASI program that reads the event from stdin, writes the response to stdout
// and its log to stderr, and is started anew for each invocation. The event
// {"exit":N} makes it end with status N instead.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
)

func main() {
	event, err := io.ReadAll(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, "reading the event:", err)
		os.Exit(1)
	}
	fmt.Fprintf(os.Stderr, "got %d bytes\n", len(event))
	var in struct {
		Exit int `json:"exit"`
	}
	if err := json.Unmarshal(event, &in); err == nil && in.Exit != 0 {
		os.Exit(in.Exit)
	}
	fmt.Printf("{\"length\":%d}\n", len(event))
}
