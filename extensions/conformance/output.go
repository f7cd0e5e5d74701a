package conformance

import (
	"context"
	"fmt"
	"strings"

	"github.com/lambent-host/lambent/telemetry"
)

const (
	// keptOutput is how many lines of output a failure is shown with.
	keptOutput = 20
	// maxLine is how much of a line of output is kept.
	maxLine = 500
)

// output keeps the end of what the extensions write. One goroutine reads until the
// stream ends.
type output struct {
	lines []string
	times []int // how often each line came in a row
	ended chan struct{}
}

func readOutput(stream *telemetry.Stream) *output {
	sub := stream.Subscribe(telemetry.SubscriptionConfig{Categories: []telemetry.Category{telemetry.CategoryExtension}})
	o := &output{ended: make(chan struct{})}
	go func() {
		defer close(o.ended)
		for {
			ev, err := sub.Next(context.Background())
			if err != nil {
				return // the stream has ended
			}
			if text, ok := ev.Record.(string); ok {
				o.add(strings.ToValidUTF8(text[:min(len(text), maxLine)], ""))
			}
		}
	}()
	return o
}

func (o *output) add(line string) {
	if last := len(o.lines) - 1; last >= 0 && o.lines[last] == line {
		o.times[last]++
		return
	}
	o.lines, o.times = append(o.lines, line), append(o.times, 1)
	if len(o.lines) > keptOutput {
		o.lines, o.times = o.lines[1:], o.times[1:]
	}
}

// end returns the lines, once the stream has been closed.
func (o *output) end() (lines []string) {
	<-o.ended
	for i, line := range o.lines {
		if o.times[i] > 1 {
			line = fmt.Sprintf("%s (%d times)", line, o.times[i])
		}
		lines = append(lines, line)
	}
	return lines
}
