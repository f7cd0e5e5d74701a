package environment

import (
	"strings"
	"testing"
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
	tail.line("START")
	_, _ = tail.Write([]byte("no newline"))
	tail.line("END")
	if got, want := string(tail.bytes()), "START\nno newline\nEND\n"; got != want {
		t.Errorf("tail %q, want %q", got, want)
	}
	tail.reset()
	if got := tail.bytes(); len(got) != 0 {
		t.Errorf("tail %q after reset", got)
	}
}
