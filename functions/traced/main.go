// Command traced continues its caller's trace with OpenTelemetry's own SDK. A guest has
// no network, so its exporter writes each batch to stdout as a line of OTLP in JSON;
// the host exports that with its own spans, and it is no log then. Where a collector
// listens beside the function, its exporter takes the place of this one.
//
// Read next: package telemetry/otelsink, which takes the line.
package main

import (
	"context"
	"fmt"

	"github.com/aws/aws-lambda-go/lambda"
	"go.opentelemetry.io/contrib/propagators/aws/xray"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
)

// stdout is where an OTLP exporter would have its connection.
type stdout struct{}

func (stdout) Start(context.Context) error { return nil }
func (stdout) Stop(context.Context) error  { return nil }

// UploadTraces writes one line: protojson breaks none.
func (stdout) UploadTraces(_ context.Context, spans []*otlp.ResourceSpans) error {
	line, err := protojson.Marshal(&otlp.TracesData{ResourceSpans: spans})
	fmt.Println(string(line))
	return err
}

func main() {
	exporter, err := otlptrace.New(context.Background(), stdout{})
	if err != nil {
		panic(err)
	}
	// A syncer: what is still in a batch when the function is frozen would be late.
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter)).Tracer("traced")
	lambda.Start(func(ctx context.Context, order struct{ Items int }) (string, error) {
		id, _ := ctx.Value("x-amzn-trace-id").(string)
		ctx = xray.Propagator{}.Extract(ctx, propagation.MapCarrier{"X-Amzn-Trace-Id": id})
		_, span := tracer.Start(ctx, "price the order")
		defer span.End()
		span.SetAttributes(attribute.Int("order.items", order.Items))
		return fmt.Sprintf("%d items", order.Items), nil
	})
}
