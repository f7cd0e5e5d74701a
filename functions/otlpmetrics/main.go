// Command otlpmetrics is a telemetry extension compiled to WebAssembly: it makes OTLP
// metrics of each report and posts them to OTLP_ENDPOINT, which its manifest allows.
package main

import (
	"encoding/json"
	"os"
	"strconv"

	"github.com/lambent-host/lambent/abi/guest/consumer"
	"github.com/lambent-host/lambent/abi/guest/outbound"
)

type object = map[string]any

func main() { consumer.Serve(export, nil) }

func export(events []consumer.Event) error {
	var metrics []object
	for _, ev := range events {
		if ev.Type != "platform.report" {
			continue
		}
		var report struct {
			Status  string
			Metrics struct{ DurationMs, MaxMemoryUsedMB, InitDurationMs float64 }
		}
		if err := json.Unmarshal(ev.Record, &report); err != nil {
			return err
		}
		at := []object{attribute("cloud.resource_id", ev.FunctionARN), attribute("faas.instance", ev.EnvironmentID), attribute("status", report.Status)}
		gauge := func(name, unit string, value float64) {
			points := []object{{"timeUnixNano": strconv.FormatInt(ev.Time.UnixNano(), 10), "asDouble": value, "attributes": at}}
			metrics = append(metrics, object{"name": name, "unit": unit, "gauge": object{"dataPoints": points}})
		}
		gauge("faas.invoke_duration", "s", report.Metrics.DurationMs/1000)
		gauge("faas.mem_usage", "By", report.Metrics.MaxMemoryUsedMB*(1<<20))
		if report.Metrics.InitDurationMs > 0 {
			gauge("faas.init_duration", "s", report.Metrics.InitDurationMs/1000)
		}
	}
	if len(metrics) == 0 {
		return nil
	}
	scope := object{"scope": object{"name": "otlpmetrics"}, "metrics": metrics}
	resource := object{"attributes": []object{attribute("service.name", "lambent")}}
	body, err := json.Marshal(object{"resourceMetrics": []object{{"resource": resource, "scopeMetrics": []object{scope}}}})
	if err != nil {
		return err
	}
	return outbound.Post(os.Getenv("OTLP_ENDPOINT")+"/v1/metrics", "application/json", body)
}

func attribute(key, value string) object {
	return object{"key": key, "value": object{"stringValue": value}}
}
