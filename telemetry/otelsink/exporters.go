package otelsink

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/exporters/stdout/stdoutlog"
	"go.opentelemetry.io/otel/exporters/stdout/stdoutmetric"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Names of exporters in OTEL_{TRACES,METRICS,LOGS}_EXPORTER.
const (
	none       = "none"
	console    = "console"
	otlp       = "otlp"
	prometheus = "prometheus" // metrics only: the page of the host's own address
)

// choices are the exporters of the three signals, by what the variables say:
//
//   - OTEL_SDK_DISABLED=true: none.
//   - OTEL_TRACES_EXPORTER, OTEL_LOGS_EXPORTER: otlp, console or none; when not set,
//     otlp if an OTLP endpoint is configured, and else none. The specification's
//     default would have every host without a collector complain.
//   - OTEL_METRICS_EXPORTER: the same, and prometheus; a comma is between two. When
//     not set, prometheus, and otlp beside it if an endpoint is configured.
//   - OTEL_EXPORTER_OTLP_[signal_]PROTOCOL: grpc or http/protobuf, the default.
type choices struct {
	env                    environ
	traces, metrics, logs  string // the one that is pushed to
	page                   bool
	tracesGRPC, metricGRPC bool
	logsGRPC               bool
}

func choose(env environ) (choices, error) {
	c := choices{env: env, traces: none, metrics: none, logs: none}
	if strings.EqualFold(env.get("OTEL_SDK_DISABLED"), "true") {
		return c, nil
	}
	var err error
	if c.traces, _, c.tracesGRPC, err = env.signal("TRACES", false); err != nil {
		return c, err
	}
	if c.metrics, c.page, c.metricGRPC, err = env.signal("METRICS", true); err != nil {
		return c, err
	}
	if c.logs, _, c.logsGRPC, err = env.signal("LOGS", false); err != nil {
		return c, err
	}
	return c, nil
}

// traceExporter returns nil where nothing is exported; so do the others.
func (c choices) traceExporter(ctx context.Context) (sdktrace.SpanExporter, error) {
	switch {
	case c.traces == console:
		return stdouttrace.New()
	case c.traces == otlp && c.tracesGRPC:
		return otlptracegrpc.New(ctx)
	case c.traces == otlp:
		return otlptracehttp.New(ctx)
	}
	return nil, nil
}

func (c choices) metricExporter(ctx context.Context) (sdkmetric.Exporter, error) {
	switch {
	case c.metrics == console:
		return stdoutmetric.New()
	case c.metrics == otlp && c.metricGRPC:
		return otlpmetricgrpc.New(ctx)
	case c.metrics == otlp:
		return otlpmetrichttp.New(ctx)
	}
	return nil, nil
}

func (c choices) logExporter(ctx context.Context) (sdklog.Exporter, error) {
	switch {
	case c.logs == console:
		return stdoutlog.New()
	case c.logs == otlp && c.logsGRPC:
		return otlploggrpc.New(ctx)
	case c.logs == otlp:
		return otlploghttp.New(ctx)
	}
	return nil, nil
}

// environ is the environment, "K=V".
type environ []string

// get returns the value of a variable; the last one counts, as in a process.
func (e environ) get(name string) string {
	for _, pair := range slices.Backward(e) {
		if key, value, ok := strings.Cut(pair, "="); ok && key == name {
			return value
		}
	}
	return ""
}

// number returns the value of a variable that is a positive number, or another.
func (e environ) number(name string, otherwise int64) int64 {
	if n, err := strconv.ParseInt(e.get(name), 10, 64); err == nil && n > 0 {
		return n
	}
	return otherwise
}

// signal reads what is chosen for one: the exporter that is pushed to, whether there is
// a page to be read, and whether OTLP is spoken over gRPC.
func (e environ) signal(name string, pages bool) (push string, page, grpc bool, err error) {
	variable := "OTEL_" + name + "_EXPORTER"
	push, page = none, pages
	if e.get("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || e.get("OTEL_EXPORTER_OTLP_"+name+"_ENDPOINT") != "" {
		push = otlp
	}
	if chosen := e.get(variable); chosen != "" {
		push, page = none, false
		for one := range strings.SplitSeq(chosen, ",") {
			switch one = strings.TrimSpace(one); {
			case one == none:
			case (one == otlp || one == console) && push == none:
				push = one
			case one == prometheus && pages:
				page = true
			default:
				return none, false, false, fmt.Errorf("%s is %q: want otlp, console or none%s", variable, chosen, map[bool]string{true: ", or prometheus beside one of them"}[pages])
			}
		}
	}
	if push == otlp {
		grpc, err = e.grpc(name)
	}
	return push, page, grpc, err
}

func (e environ) grpc(name string) (bool, error) {
	variable := "OTEL_EXPORTER_OTLP_" + name + "_PROTOCOL"
	if e.get(variable) == "" {
		variable = "OTEL_EXPORTER_OTLP_PROTOCOL"
	}
	switch protocol := cmp.Or(e.get(variable), "http/protobuf"); protocol {
	case "http/protobuf":
		return false, nil
	case "grpc":
		return true, nil
	default:
		return false, fmt.Errorf("%s is %q: want grpc or http/protobuf", variable, protocol)
	}
}
