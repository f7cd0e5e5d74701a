package telemetry

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

// written returns the records of what was written, in these pieces.
func written(t *testing.T, opts []LineOption, flush bool, pieces ...string) []any {
	t.Helper()
	bus := NewBus()
	defer bus.Close()
	s := bus.Open(Source{})
	sub := s.Subscribe(SubscriptionConfig{MaxBytes: 1 << 30})
	w := NewLineWriter(s, TypeFunction, opts...)
	for _, piece := range pieces {
		if n, err := w.Write([]byte(piece)); n != len(piece) || err != nil {
			t.Fatalf("Write: %d, %v", n, err)
		}
	}
	if flush {
		w.Flush()
	}
	var records []any
	for _, ev := range drain(sub) {
		records = append(records, ev.Record)
	}
	return records
}

func TestLines(t *testing.T) {
	tests := []struct {
		name   string
		pieces []string
		want   []any
	}{
		{"one line", []string{"a\n"}, []any{"a"}},
		{"several", []string{"a\nb\nc\n"}, []any{"a", "b", "c"}},
		{"in pieces", []string{"a", "b", "\nc", "d\n"}, []any{"ab", "cd"}},
		{"no end", []string{"a\nb"}, []any{"a", "b"}},
		{"empty lines", []string{"\n\na\n\n"}, []any{"a"}},
		{"carriage return", []string{"a\r\nb\r\n"}, []any{"a", "b"}},
		{"not UTF-8", []string{"a\xff\xfeb\n"}, []any{"a\uFFFDb"}},
		{"a character in pieces", []string{"\xc3", "\xa9\n"}, []any{"é"}},
		{"nothing", []string{""}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := written(t, nil, true, test.pieces...); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	if got := written(t, nil, false, "a\nb"); len(got) != 1 {
		t.Errorf("a line without an end did not wait: %q", got)
	}
}

func TestHugeLine(t *testing.T) {
	for _, line := range []string{
		strings.Repeat("x", 10<<20),
		strings.Repeat("é", 5<<20),
		"a" + strings.Repeat("é", 5<<20),
		"abc" + strings.Repeat("😀", 3<<20),
		strings.Repeat("x", MaxRecordBytes),
	} {
		got := written(t, nil, true, line+"\n")
		var all strings.Builder
		for _, r := range got {
			s := r.(string)
			if !utf8.ValidString(s) || strings.ContainsRune(s, utf8.RuneError) || len(s) > MaxRecordBytes {
				t.Errorf("a record of %d bytes, valid %v", len(s), utf8.ValidString(s))
			}
			all.WriteString(s)
		}
		if all.String() != line || len(got) != (len(line)+MaxRecordBytes-1)/MaxRecordBytes {
			t.Errorf("%d bytes became %d records with %d bytes", len(line), len(got), all.Len())
		}
	}
	if got := written(t, nil, true, strings.Repeat("\xbf", 1<<20)); len(got) == 0 {
		t.Error("a megabyte that is not UTF-8 is gone")
	}
}

func TestJSONObjects(t *testing.T) {
	got := written(t, []LineOption{JSONObjects()}, true, `{"a":1}`+"\n"+`[1]`+"\n"+`{"a":`+"\n"+` {"b":"c"} `+"\n")
	want := []any{json.RawMessage(`{"a":1}`), "[1]", `{"a":`, json.RawMessage(` {"b":"c"} `)}
	if fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", want) {
		t.Errorf("got %#v", got)
	}
	if got := written(t, nil, true, `{"a":1}`+"\n"); got[0] != `{"a":1}` {
		t.Errorf("without the option: %#v", got)
	}
}

func TestInterleavedWriters(t *testing.T) {
	bus := NewBus()
	defer bus.Close()
	s := bus.Open(Source{})
	sub := s.Subscribe(SubscriptionConfig{})
	w := NewLineWriter(s, TypeFunction)
	const writers, each = 8, 200
	var wg sync.WaitGroup
	for n := range writers {
		wg.Go(func() {
			for range each {
				_, _ = w.Write([]byte(strings.Repeat(fmt.Sprint(n), 100) + "\n"))
			}
		})
	}
	wg.Wait()
	got := drain(sub)
	for _, ev := range got {
		if line := ev.Record.(string); line != strings.Repeat(line[:1], 100) {
			t.Fatalf("mixed: %q", line)
		}
	}
	if len(got) != writers*each {
		t.Errorf("%d lines of %d", len(got), writers*each)
	}
}

// FuzzLines holds that no input is lost, whatever its shape and its pieces: the
// records together are the input without line ends, made UTF-8.
func FuzzLines(f *testing.F) {
	f.Add([]byte("a\nb"), 1)
	f.Add([]byte("\xc3\xa9\r\n\xff"), 2)
	f.Fuzz(func(t *testing.T, input []byte, piece int) {
		if piece < 1 || piece > 1<<20 {
			return
		}
		var pieces []string
		for rest := string(input); rest != ""; {
			n := min(piece, len(rest))
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		var want []string
		for line := range strings.SplitSeq(string(input), "\n") {
			if line = strings.TrimSuffix(line, "\r"); line != "" {
				want = append(want, strings.ToValidUTF8(line, "\uFFFD"))
			}
		}
		got := written(t, nil, true, pieces...)
		if len(input) < MaxRecordBytes && fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}
