// Package consumer is for telemetry extensions that are compiled to WebAssembly and
// run inside the host, without a process and a port of their own:
//
//	func main() {
//		consumer.Serve(func(events []consumer.Event) error {
//			return outbound.Post("https://collector.example/v1/logs", "application/json", encode(events))
//		}, nil)
//	}
//
// It is built with "lambent build". The host sends the batch again after an error or
// a panic. Read next: package outbound, by which a consumer reaches the hosts that
// its manifest names.
package consumer

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/lambent-host/lambent/abi/guest"
)

// Event is one event of the Telemetry API, with the environment it comes from.
type Event struct {
	Time time.Time `json:"time"`
	Type string    `json:"type"` // "platform.report", "function", ...
	// Record is an object for platform events, a string or an object for log lines.
	Record json.RawMessage `json:"record"`

	EnvironmentID   string `json:"environmentId"`
	FunctionARN     string `json:"functionArn"`
	FunctionVersion string `json:"functionVersion"`
}

// Serve hands every batch to handle, in order and one at a time, and does not return.
// After an error the batch comes again. shutdown, if it is not nil, is called once at
// the end, when no batch comes any more.
func Serve(handle func(events []Event) error, shutdown func(reason string)) {
	guest.Serve(func(_ context.Context, event []byte) ([]byte, error) { return nil, serve(event, handle, shutdown) })
}

func serve(event []byte, handle func([]Event) error, shutdown func(string)) error {
	if trimmed := bytes.TrimLeft(event, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '[' {
		var events []Event
		if err := json.Unmarshal(event, &events); err != nil {
			return fmt.Errorf("a batch of telemetry: %w", err)
		}
		return handle(events)
	}
	var end struct {
		EventType      string `json:"eventType"`
		ShutdownReason string `json:"shutdownReason"`
	}
	if err := json.Unmarshal(event, &end); err != nil {
		return fmt.Errorf("not telemetry: %w", err)
	}
	if end.EventType == "SHUTDOWN" && shutdown != nil {
		shutdown(end.ShutdownReason)
	}
	return nil // of an event that a later host sends
}
