package telemetry

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// counted is a record that counts how often it is written.
type counted struct{ written *atomic.Int64 }

func (c counted) MarshalJSON() ([]byte, error) {
	c.written.Add(1)
	return []byte(`"text"`), nil
}

func in(s Schema) SubscriptionConfig { return SubscriptionConfig{Encoding: Encoding{Schema: s}} }

// take takes and writes what is there, as a delivery does.
func take(t *testing.T, sub *Subscription, separator byte) (texts []string) {
	t.Helper()
	as := sub.encoding
	as.Separator = separator
	for ev, ok := sub.TryNext(); ok; ev, ok = sub.TryNext() {
		body, ends, err := ev.Append([]byte("before"), []int{-1}, as)
		if err != nil {
			t.Fatal(err)
		}
		begin := len("before")
		for _, end := range ends[1:] {
			if body[end] != separator {
				t.Errorf("%q stands behind a text, not %q", body[end], separator)
			}
			texts = append(texts, string(body[begin:end]))
			begin = end + 1
		}
	}
	return texts
}

func TestAnEventIsWrittenOnceForEachForm(t *testing.T) {
	bus := NewBus()
	defer bus.Close()
	s := bus.Open(Source{EnvironmentID: "e"})
	s.Seal()
	var subs []*Subscription
	for range 3 {
		subs = append(subs, s.Subscribe(in(Schema20221213)), s.Subscribe(in(Schema20250129)), bus.Subscribe(in(Schema20221213)),
			bus.Subscribe(SubscriptionConfig{Encoding: Encoding{Schema: Schema20221213, Source: true}}), s.Subscribe(SubscriptionConfig{}))
	}
	var written atomic.Int64
	const events = 100
	for range events {
		s.Publish(TypeFunction, counted{&written})
	}
	shared := subs[0].buf.events[0].shared
	var wg sync.WaitGroup
	for i, sub := range subs {
		if sub.class == 0 {
			continue
		}
		wg.Go(func() {
			texts := take(t, sub, ",\n"[i%2])
			for _, text := range texts {
				if strings.HasSuffix(text, `,"environmentId":"e"}`) != sub.encoding.Source || !strings.Contains(text, `"record":"text"`) {
					t.Errorf("class %x reads %s", sub.class, text)
				}
			}
			if len(texts) != events {
				t.Errorf("%d events", len(texts))
			}
		})
	}
	wg.Wait()
	if got := written.Load(); got != 3*events {
		t.Errorf("%d events in 3 forms were written %d times", events, got)
	}
	for i := range shared {
		if shared[i].text != nil || shared[i].readers != 0 {
			t.Errorf("after the last reader there is %q for %d", shared[i].text, shared[i].readers)
		}
	}
}

func TestOnlyWhatSeveralWillHaveIsShared(t *testing.T) {
	bus := NewBus()
	defer bus.Close()
	s := bus.Open(Source{})
	platform := in(Schema20221213)
	platform.Categories = []Category{CategoryPlatform}
	one, other := s.Subscribe(in(Schema20221213)), s.Subscribe(platform)
	s.Subscribe(in(Schema20220701))
	s.Publish(TypeFunction, "line")
	s.Publish(TypeStart, Start{})
	if ev, _ := one.TryNext(); ev.shared != nil {
		t.Error("what one reader has is shared")
	}
	if ev, _ := other.TryNext(); len(ev.shared) != 1 || ev.shared[0].readers != 2 {
		t.Errorf("what two have is not shared: %d", len(ev.shared))
	}
}

// TestAReaderThatLosesAnEventKeepsNothing has one of two readers lose the event:
// its text is not kept for it.
func TestAReaderThatLosesAnEventKeepsNothing(t *testing.T) {
	bus := NewBus()
	defer bus.Close()
	s := bus.Open(Source{EnvironmentID: "e"})
	s.Seal()
	small := in(Schema20221213)
	small.MaxItems = 1
	lossy, chosen, reader := s.Subscribe(small), in(Schema20221213), s.Subscribe(in(Schema20221213))
	chosen.From = func(Source) bool { return false }
	bus.Subscribe(chosen)
	s.Publish(TypeFunction, "first")
	s.Publish(TypeFunction, "second")
	second := reader.buf.events[1]
	if got := second.shared[0].readers; got != 1 {
		t.Errorf("the second event waits for %d readers", got)
	}
	if texts := take(t, reader, ','); len(texts) != 2 || second.shared[0].text != nil {
		t.Errorf("read %q, kept %q", texts, second.shared[0].text)
	}
	if texts := take(t, lossy, ','); len(texts) != 2 || !strings.Contains(texts[1], "droppedRecords") {
		t.Errorf("the other reads %q", texts)
	}
}

// TestSharedTextsCount holds that a buffer is bounded with what is kept for its
// reader: output that is long once it is quoted counts in full.
func TestSharedTextsCount(t *testing.T) {
	bus := NewBus()
	defer bus.Close()
	s := bus.Open(Source{})
	s.Seal()
	const bound = 1 << 20
	cfg := in(Schema20221213)
	cfg.MaxBytes = bound
	slow, fast := s.Subscribe(cfg), s.Subscribe(cfg)
	for range 1000 {
		s.Publish(TypeFunction, strings.Repeat("\x01", 10000))
		s.Publish(TypeFunction, json.RawMessage(`{"a":"`+strings.Repeat("<", 10000)+`"}`))
		s.Publish(TypeReport, Report{})
		take(t, fast, ',')
	}
	kept := 0
	for _, ev := range slow.buf.events {
		kept += ev.size() + len(ev.shared[0].text)
	}
	if kept > bound || kept < bound/2 {
		t.Errorf("%d bytes are kept, bound to %d", kept, bound)
	}
}

func TestEventsThatNobodyTakesCostNothing(t *testing.T) {
	bus := NewBus()
	defer bus.Close()
	s := bus.Open(Source{})
	s.Seal()
	var record any = Start{RequestID: "r"}
	sub := s.Subscribe(SubscriptionConfig{Categories: []Category{CategoryFunction}})
	publish := func() { s.Publish(TypeStart, record) }
	if n := testing.AllocsPerRun(100, publish); n != 0 {
		t.Errorf("%v allocations with a subscriber to something else", n)
	}
	sub.Close()
	if n := testing.AllocsPerRun(100, publish); n != 0 {
		t.Errorf("%v allocations with no subscriber", n)
	}
}

// TestSharedHammer has publishers, readers that keep up, one that loses, and one
// that is followed by another all the time.
func TestSharedHammer(t *testing.T) {
	const events = 5000
	bus := NewBus()
	s := bus.Open(Source{})
	s.Seal()
	lossy := in(Schema20221213)
	lossy.MaxItems = 3
	subs := []*Subscription{s.Subscribe(in(Schema20221213)), bus.Subscribe(in(Schema20221213)), s.Subscribe(lossy)}
	var wg sync.WaitGroup
	for _, sub := range subs {
		wg.Go(func() {
			last := -1
			for ended := false; !ended; ended = sub.Ended() {
				<-sub.Wake()
				for _, text := range take(t, sub, '\n') {
					var n int
					if _, record, ok := strings.Cut(text, `"record":"`); !ok {
						continue // a loss
					} else if _, err := fmt.Sscanf(record, "%d", &n); err != nil {
						t.Error(err)
					}
					if n <= last || sub != subs[2] && n != last+1 {
						t.Errorf("%d after %d", n, last)
					}
					last = n
				}
			}
		})
	}
	follower := bus.Subscribe(in(Schema20221213))
	for i := range events {
		if i%100 == 0 {
			follower = bus.Resubscribe(follower, in(Schema20221213))
		}
		s.Publish(TypeFunction, fmt.Sprint(i))
	}
	bus.Close()
	wg.Wait()
}
