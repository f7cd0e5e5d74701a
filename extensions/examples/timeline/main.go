// Command timeline is a sample extension: it writes what it receives, one JSON
// object a line, to the file named by TIMELINE_FILE (appending) or to stdout.
//
//	{"data":{"eventType":"INVOKE",...},"kind":"event","receivedAt":"2026-01-02T15:04:05.123456789Z"}
//	{"data":{"time":...,"type":"platform.start","record":{...}},"kind":"telemetry","receivedAt":...}
//
// An event is what the Extensions API handed out, telemetry what the Telemetry
// API delivered, both in their own JSON form and in the order of arrival.
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"sync"
	"time"

	"github.com/lambent-host/lambent/extensions/sdk"
	"github.com/lambent-host/lambent/telemetry"
)

func main() {
	out := os.Stdout
	if name := os.Getenv("TIMELINE_FILE"); name != "" {
		file, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			log.Fatal(err)
		}
		out = file
	}
	var mu sync.Mutex // telemetry arrives beside events
	write := func(kind string, data any) error {
		mu.Lock()
		defer mu.Unlock()
		return json.NewEncoder(out).Encode(map[string]any{"receivedAt": time.Now().UTC(), "kind": kind, "data": data})
	}
	event := func(_ context.Context, ev sdk.Event) error { return write("event", ev) }
	err := sdk.Run(context.Background(), sdk.Config{
		OnInvoke: event, OnShutdown: event,
		OnTelemetry: func(_ context.Context, events []telemetry.Event) error {
			for _, ev := range events {
				if err := write("telemetry", ev); err != nil {
					return err
				}
			}
			return nil
		},
		Telemetry: sdk.Telemetry{
			Timeout: 25 * time.Millisecond,
			// Not the output of extensions: on stdout it would hear itself.
			Types: []telemetry.Category{telemetry.CategoryPlatform, telemetry.CategoryFunction},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
}
