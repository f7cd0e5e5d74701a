// Command tcpcount is a sample extension: it has telemetry come over TCP, counts what
// came by type, and prints the counts after each invocation and at the end. It gates:
// an invocation is over when its counts are printed.
package main

import (
	"context"
	"fmt"
	"log"
	"sync"

	"github.com/lambent-host/lambent/extensions/sdk"
	"github.com/lambent-host/lambent/telemetry"
)

func main() {
	var mu sync.Mutex // telemetry arrives beside events
	counts := map[telemetry.Type]int{}
	show := func(_ context.Context, ev sdk.Event) error {
		mu.Lock()
		defer mu.Unlock()
		_, err := fmt.Println(ev.EventType, ev.RequestID+ev.ShutdownReason, counts)
		return err
	}
	err := sdk.Run(context.Background(), sdk.Config{
		OnInvoke: show, OnShutdown: show,
		OnTelemetry: func(_ context.Context, events []telemetry.Event) error {
			mu.Lock()
			defer mu.Unlock()
			for _, ev := range events {
				counts[ev.Type]++
			}
			return nil
		},
		Telemetry: sdk.Telemetry{
			Protocol: sdk.TCP,
			Types:    []telemetry.Category{telemetry.CategoryPlatform, telemetry.CategoryFunction}, // not what it prints itself
		},
	})
	if err != nil {
		log.Fatal(err)
	}
}
