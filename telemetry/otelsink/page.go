package otelsink

import (
	"fmt"
	"net/http"

	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/otlptranslator"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// maxScrapes is how many answers are made at a time: one may be megabytes, and the
// page is there for whoever reaches the address.
const maxScrapes = 4

// newPage makes the page of metrics, in a registry of its own: what other parts of the
// program register for themselves is not for it. Exemplars are in OpenMetrics, for
// those who ask for that.
func newPage() (sdkmetric.Reader, http.Handler, error) {
	registry := client.NewRegistry()
	reader, err := exporter.New(
		exporter.WithRegisterer(registry),
		exporter.WithoutScopeInfo(),
		exporter.WithTranslationStrategy(otlptranslator.UnderscoreEscapingWithSuffixes),
	)
	if err != nil {
		return nil, nil, fmt.Errorf("page of metrics: %w", err)
	}
	return reader, promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		EnableOpenMetrics: true, MaxRequestsInFlight: maxScrapes,
	}), nil
}
