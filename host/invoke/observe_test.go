package invoke

import (
	"context"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/lambent-host/lambent/host/catalogue"
)

func TestARootWithoutAParentIsContinued(t *testing.T) {
	const root = "Root=1-5759e988-bd862e3fe1be46a994272793"
	cases := []struct {
		name, header string
		trace        string
		sampled      bool
	}{
		{"root only", root, "5759e988bd862e3fe1be46a994272793", false},
		{"sampled", root + ";Sampled=1", "5759e988bd862e3fe1be46a994272793", true},
		{"nothing", "", "00000000000000000000000000000000", false},
		{"nonsense", "Root=mine", "00000000000000000000000000000000", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := trace.SpanContextFromContext(ContinueTrace(context.Background(), c.header))
			if got.TraceID().String() != c.trace || got.IsSampled() != c.sampled {
				t.Errorf("trace %s sampled=%v, want %s sampled=%v", got.TraceID(), got.IsSampled(), c.trace, c.sampled)
			}
		})
	}
}

func TestATraceThatIsKnownIsNotReplaced(t *testing.T) {
	known := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, Remote: true})
	ctx := trace.ContextWithRemoteSpanContext(context.Background(), known)
	if got := trace.SpanContextFromContext(ContinueTrace(ctx, "Root=1-5759e988-bd862e3fe1be46a994272793")); !got.Equal(known) {
		t.Errorf("trace %v, want the caller's %v", got, known)
	}
	if got := traceIDOf(ctx); !strings.HasPrefix(got, "Root=1-01000000-") {
		t.Errorf("X-Amzn-Trace-Id %q", got)
	}
	if got := traceIDOf(context.Background()); got != "" {
		t.Errorf("X-Amzn-Trace-Id %q without a trace", got)
	}
}

func TestTheInvokedARNHasTheCallersQualifier(t *testing.T) {
	c := &call{req: &Request{}, version: catalogue.Version{FunctionARN: "arn:f", Version: "3"}}
	if got := invokedARN(c); got != "arn:f" {
		t.Errorf("%s without a qualifier", got)
	}
	c.req.Qualifier = "live"
	if got := invokedARN(c); got != "arn:f:live" {
		t.Errorf("%s, want the alias the caller named and not the version it leads to", got)
	}
}
