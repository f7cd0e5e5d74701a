package sdk_test

import (
	"context"
	"fmt"
	"time"

	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/extensions/sdk"
	"github.com/lambent-host/lambent/telemetry"
)

// An exporter is one callback. In a program of its own, API and Name are left
// out: the platform sets the address, and the name is that of the executable.
func ExampleRun() {
	host := newPlatform(extapi.Event{EventType: extapi.Invoke, RequestID: "r1"})
	defer host.server.Close()

	err := sdk.Run(context.Background(), sdk.Config{
		Name: "exporter",
		API:  host.api(),
		OnInit: func(_ context.Context, info sdk.Info) error {
			fmt.Println("function", info.FunctionName)
			return nil
		},
		OnInvoke: func(_ context.Context, ev sdk.Event) error {
			fmt.Println("invoke", ev.RequestID)
			host.deliver(batch(
				telemetry.Event{Type: telemetry.TypeFunction, Record: "hello"},
				telemetry.Event{Type: telemetry.TypeReport, Record: telemetry.Report{
					RequestID: "r1", Metrics: telemetry.ReportMetrics{DurationMs: 12.5, MemorySizeMB: 128},
				}},
			))
			host.events <- extapi.Event{EventType: extapi.Shutdown, ShutdownReason: extapi.ReasonSpindown, DeadlineMs: ev.DeadlineMs}
			return nil
		},
		OnTelemetry: func(_ context.Context, events []telemetry.Event) error {
			for _, ev := range events {
				switch record := ev.Record.(type) {
				case string:
					fmt.Println("log", record)
				case telemetry.Report:
					fmt.Println("report", record.RequestID, float64(record.Metrics.DurationMs), "ms")
				}
			}
			return nil
		},
		OnShutdown: func(_ context.Context, ev sdk.Event) error {
			fmt.Println("shutdown", ev.ShutdownReason)
			return nil
		},
	})
	fmt.Println(err)
	// Output:
	// function f
	// invoke r1
	// log hello
	// report r1 12.5 ms
	// shutdown spindown
	// <nil>
}

// With a function for each kind of event, an exporter is what it does with them. What
// has been gathered leaves in Done; after an error there, the batch comes again.
func ExampleHandlers() {
	host := newPlatform(extapi.Event{EventType: extapi.Invoke})
	defer host.server.Close()

	var lines []string
	export := sdk.Handlers{
		Report: func(_ context.Context, _ time.Time, r telemetry.Report) error {
			lines = append(lines, fmt.Sprintf("%s %v ms", r.RequestID, float64(r.Metrics.DurationMs)))
			return nil
		},
		Log: func(_ context.Context, _ time.Time, from telemetry.Type, line string) error {
			lines = append(lines, fmt.Sprintf("%s says %s", from, line))
			return nil
		},
		Done: func(_ context.Context, events int) error {
			fmt.Println(events, "events:", lines)
			lines = nil
			return nil
		},
	}
	err := sdk.Run(context.Background(), sdk.Config{
		Name:        "exporter",
		API:         host.api(),
		OnTelemetry: export.Handle,
		OnInvoke: func(context.Context, sdk.Event) error {
			host.deliver(batch(
				telemetry.Event{Type: telemetry.TypeStart, Record: telemetry.Start{RequestID: "r1"}},
				telemetry.Event{Type: telemetry.TypeFunction, Record: "hello"},
				telemetry.Event{Type: telemetry.TypeReport, Record: telemetry.Report{
					RequestID: "r1", Metrics: telemetry.ReportMetrics{DurationMs: 12.5},
				}},
			))
			host.events <- extapi.Event{EventType: extapi.Shutdown}
			return nil
		},
	})
	fmt.Println(err)
	// Output:
	// 3 events: [function says hello r1 12.5 ms]
	// <nil>
}
