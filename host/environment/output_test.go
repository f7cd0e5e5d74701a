package environment

import (
	"strings"
	"testing"

	"github.com/lambent-host/lambent/host/catalogue"
	"github.com/lambent-host/lambent/telemetry"
)

func TestTailKeepsTheLastBytes(t *testing.T) {
	cases := []struct {
		name   string
		writes []string
		want   string
	}{
		{"nothing", nil, ""},
		{"less than the limit", []string{"a", "b"}, "ab"},
		{"one write over the limit", []string{"x" + strings.Repeat("y", TailBytes)}, strings.Repeat("y", TailBytes)},
		{"pushed out by the next", []string{"gone", strings.Repeat("y", TailBytes)}, strings.Repeat("y", TailBytes)},
		{"partly pushed out", []string{"gonekept", strings.Repeat("y", TailBytes-4)}, "kept" + strings.Repeat("y", TailBytes-4)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var tail tail
			tail.begin(true)
			for _, w := range c.writes {
				if n, err := tail.Write([]byte(w)); n != len(w) || err != nil {
					t.Fatalf("Write = %d, %v", n, err)
				}
			}
			if got := string(tail.bytes()); got != c.want {
				t.Errorf("tail has %d bytes, want %d, or others than expected", len(got), len(c.want))
			}
		})
	}
}

func TestPlatformLinesStartOnALineOfTheirOwn(t *testing.T) {
	var tail tail
	tail.begin(true)
	tail.line("START")
	_, _ = tail.Write([]byte("no newline"))
	tail.line("END")
	if got, want := string(tail.bytes()), "START\nno newline\nEND\n"; got != want {
		t.Errorf("tail %q, want %q", got, want)
	}
	tail.begin(false)
	tail.line("START")
	if _, _ = tail.Write([]byte("unheard")); len(tail.bytes()) != 0 {
		t.Errorf("tail %q although nobody has asked for it", tail.bytes())
	}
}

func TestTheTailOfAJSONLogHasWholeRecords(t *testing.T) {
	tail := tail{records: true}
	tail.begin(true)
	record := func(c string, length int) string { return strings.Repeat(c, length-1) } // and a line break
	tail.line(record("a", 1000))
	tail.line(record("b", 2000))
	tail.line(record("x", TailBytes+1)) // on its own too large
	tail.line(record("c", 2000))
	tail.line(record("d", 96))
	if got, want := string(tail.bytes()), record("b", 2000)+"\n"+record("c", 2000)+"\n"+record("d", 96)+"\n"; got != want {
		t.Errorf("%d bytes, %.20q ...; want the last three records", len(got), got)
	}
	tail.line(record("e", TailBytes))
	if got := string(tail.bytes()); got != record("e", TailBytes)+"\n" {
		t.Errorf("%d bytes, %.20q ...; want the one record that fills it", len(got), got)
	}
}

func TestTheTailOfAJSONLogIsFilteredByLevel(t *testing.T) {
	bus := telemetry.NewBus()
	defer bus.Close()
	stream := bus.Open(telemetry.Source{})
	all := stream.Subscribe(telemetry.SubscriptionConfig{})
	o := newOutput(stream, catalogue.Logging{Format: logFormatJSON, ApplicationLevel: "WARN"})
	o.tail.begin(true)
	for _, text := range []string{
		`{"level":"error","message":"kept"}` + "\n", "plain lines are INFO\n", `{"level":"INFO","message":"left out"}` + "\n",
		`{"message":"INFO, too"}` + "\n", `{"level":"odd"}` + "\n", `{"level":"WA`, `RN"}` + "\n", `{"level":"FATAL"}`,
	} {
		if n, err := o.stdout.Write([]byte(text)); n != len(text) || err != nil {
			t.Fatal(n, err)
		}
	}
	o.flush()
	want := `{"level":"error","message":"kept"}` + "\n" + `{"level":"WARN"}` + "\n" + `{"level":"FATAL"}` + "\n"
	if got := string(o.tail.bytes()); got != want {
		t.Errorf("tail\n%swant\n%s", got, want)
	}
	n := 0
	for _, ok := all.TryNext(); ok; _, ok = all.TryNext() {
		n++
	}
	if n != 7 {
		t.Errorf("%d events, want all 7 lines: subscribers get them whatever the level", n)
	}
}
