package otelsink

import "go.opentelemetry.io/otel/attribute"

// serviceAttributes are the defaults that OTEL_SERVICE_NAME and
// OTEL_RESOURCE_ATTRIBUTES override. The names are OpenTelemetry's semantic
// conventions for services.
func serviceAttributes(version string) []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.String("service.name", "lambent"),
		attribute.String("service.version", version),
	}
}
