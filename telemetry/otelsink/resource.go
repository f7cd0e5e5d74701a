package otelsink

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// newResource describes the host. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES
// override what is said here.
func newResource(ctx context.Context, cfg Config) (*resource.Resource, error) {
	attributes := []attribute.KeyValue{semconv.ServiceName("lambent"), semconv.ServiceVersion(cfg.Version)}
	if cfg.Region != "" {
		attributes = append(attributes, semconv.CloudRegion(cfg.Region))
	}
	if cfg.AccountID != "" {
		attributes = append(attributes, semconv.CloudAccountID(cfg.AccountID))
	}
	res, err := resource.New(ctx, resource.WithSchemaURL(semconv.SchemaURL),
		resource.WithAttributes(attributes...), resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil && !errors.Is(err, resource.ErrPartialResource) && !errors.Is(err, resource.ErrSchemaURLConflict) {
		return nil, fmt.Errorf("describe the OpenTelemetry resource: %w", err)
	}
	return res, nil
}
