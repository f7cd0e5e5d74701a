package conformance

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lambent-host/lambent/telemetry"
)

func TestOutputKeepsTheEnd(t *testing.T) {
	bus := telemetry.NewBus()
	defer bus.Close()
	stream := bus.Open(telemetry.Source{})
	o := readOutput(stream)
	stream.Publish(telemetry.TypeFunction, "not the extension's")
	for i := range 5 * keptOutput {
		stream.Publish(telemetry.TypeExtension, fmt.Sprint("line ", i/2))
	}
	stream.Publish(telemetry.TypeExtension, "once")
	stream.Publish(telemetry.TypeExtension, strings.Repeat("é", maxLine))
	stream.Close()
	lines := o.end()
	if len(lines) != keptOutput || len(lines[keptOutput-1]) > maxLine {
		t.Errorf("%d lines, the last of %d bytes", len(lines), len(lines[len(lines)-1]))
	}
	if want := []string{fmt.Sprintf("line %d (2 times)", 5*keptOutput/2-1), "once"}; !slices.Equal(lines[keptOutput-3:keptOutput-1], want) {
		t.Errorf("%q, want %q", lines[keptOutput-3:keptOutput-1], want)
	}
}
