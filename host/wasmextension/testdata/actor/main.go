// Command actor is a telemetry extension for tests. It takes every batch, and
// AT_END says what it does when it is told that it ends: "hang", or "post", which
// is to tell ENDPOINT. With RAW set it does not look into batches.
package main

import (
	"context"
	"os"

	"github.com/lambent-host/lambent/abi/guest"
	"github.com/lambent-host/lambent/abi/guest/consumer"
	"github.com/lambent-host/lambent/abi/guest/outbound"
)

func main() {
	if os.Getenv("RAW") != "" {
		guest.Serve(func(context.Context, []byte) ([]byte, error) { return nil, nil })
	}
	consumer.Serve(func([]consumer.Event) error { return nil }, end)
}

func end(reason string) {
	switch os.Getenv("AT_END") {
	case "hang":
		for { //nolint:revive // it hangs, with the CPU
		}
	case "post":
		if err := outbound.Post(os.Getenv("ENDPOINT"), "text/plain", []byte(reason)); err != nil {
			panic(err)
		}
	}
}
