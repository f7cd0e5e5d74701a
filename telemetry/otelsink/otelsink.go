// Package otelsink turns the host's spans into OpenTelemetry: it is the only
// place that knows the OTel SDK and its exporters. The rest of the host speaks
// the API (go.opentelemetry.io/otel/trace).
//
// Which exporter, where to and how much is sampled is chosen by the standard
// OTEL_ variables. Read next: package host, which wires it.
package otelsink

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.opentelemetry.io/contrib/propagators/aws/xray"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Sink owns the tracer provider. It is safe for concurrent use.
type Sink struct {
	provider *sdktrace.TracerProvider
}

// New builds the provider from the environment, given as "K=V" pairs.
//
// OTEL_SDK_DISABLED=true turns it off. OTEL_TRACES_EXPORTER is otlp, console or
// none; when it is not set, otlp is taken only if an OTLP endpoint is
// configured: the specification's default would have every host without a
// collector complain. OTEL_EXPORTER_OTLP_[TRACES_]PROTOCOL is grpc or
// http/protobuf (the default). OTEL_EXPORTER_OTLP_*, OTEL_TRACES_SAMPLER,
// OTEL_BSP_*, OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME are read by the
// SDK from the process. An unknown exporter or protocol is an error that names
// the variable.
func New(ctx context.Context, env []string, version string) (*Sink, error) {
	lookup := lookupIn(env)
	exporter, err := newExporter(ctx, lookup)
	if err != nil {
		return nil, err
	}
	res, err := resource.New(ctx,
		resource.WithAttributes(serviceAttributes(version)...),
		resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, fmt.Errorf("describe the OpenTelemetry resource: %w", err)
	}
	// X-Amzn-Trace-Id holds the time a trace began in its first four bytes, and
	// X-Ray refuses traces of another age; for traceparent one id is as good as another.
	options := []sdktrace.TracerProviderOption{sdktrace.WithResource(res), sdktrace.WithIDGenerator(xray.NewIDGenerator())}
	if exporter == nil {
		// Without an exporter ids are still made and passed on, so that a function's
		// own traces join those of its caller; what the caller samples stays sampled.
		options = append(options, sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.NeverSample())))
	} else {
		options = append(options, sdktrace.WithBatcher(exporter))
	}
	return &Sink{provider: sdktrace.NewTracerProvider(options...)}, nil
}

// Tracer returns the tracer of the host.
func (s *Sink) Tracer() trace.Tracer {
	return s.provider.Tracer("github.com/lambent-host/lambent")
}

// Propagator reads and writes traceparent, baggage and X-Amzn-Trace-Id. Where a
// request carries both, traceparent wins: AWS's header is rewritten by every
// AWS proxy on the way, the W3C one by none.
func (s *Sink) Propagator() propagation.TextMapPropagator { return Propagator() }

// Propagator is the host's composite propagator.
func Propagator() propagation.TextMapPropagator {
	return propagation.NewCompositeTextMapPropagator(
		xray.Propagator{}, propagation.TraceContext{}, propagation.Baggage{})
}

// Shutdown sends what is buffered and ends the exporter, within ctx.
func (s *Sink) Shutdown(ctx context.Context) error {
	if err := s.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("flush OpenTelemetry: %w", err)
	}
	return nil
}

// newExporter returns nil where nothing is to be exported.
func newExporter(ctx context.Context, lookup func(string) string) (sdktrace.SpanExporter, error) {
	if strings.EqualFold(lookup("OTEL_SDK_DISABLED"), "true") {
		return nil, nil
	}
	name := lookup("OTEL_TRACES_EXPORTER")
	if name == "" {
		name = "none"
		if lookup("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || lookup("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != "" {
			name = "otlp"
		}
	}
	switch name {
	case "none":
		return nil, nil
	case "console":
		return stdouttrace.New()
	case "otlp":
		return newOTLPExporter(ctx, lookup)
	}
	return nil, fmt.Errorf("OTEL_TRACES_EXPORTER is %q: want otlp, console or none", name)
}

func newOTLPExporter(ctx context.Context, lookup func(string) string) (sdktrace.SpanExporter, error) {
	protocol := lookup("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
	if protocol == "" {
		protocol = lookup("OTEL_EXPORTER_OTLP_PROTOCOL")
	}
	switch protocol {
	case "", "http/protobuf":
		return otlptracehttp.New(ctx)
	case "grpc":
		return otlptracegrpc.New(ctx)
	}
	return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL is %q: want grpc or http/protobuf", protocol)
}

func lookupIn(env []string) func(string) string {
	values := make(map[string]string, len(env))
	for _, pair := range env {
		if name, value, ok := strings.Cut(pair, "="); ok {
			values[name] = value
		}
	}
	return func(name string) string { return values[name] }
}
