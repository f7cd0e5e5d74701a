package telemetry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"
)

func lines(events []Event) (out []string) {
	for _, ev := range events {
		switch r := ev.Record.(type) {
		case LogsDropped:
			out = append(out, fmt.Sprintf("dropped %d", r.DroppedRecords))
		default:
			out = append(out, fmt.Sprint(r))
		}
	}
	return out
}

func expect(t *testing.T, what string, sub *Subscription, want ...string) {
	t.Helper()
	if got := lines(drain(sub)); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestReplayUntilSeal(t *testing.T) {
	bus := NewBus()
	defer bus.Close()
	s := bus.Open(Source{EnvironmentID: "e"})
	s.Publish(TypeFunction, "a")
	early := s.Subscribe(SubscriptionConfig{})
	s.Publish(TypeFunction, "b")
	second := s.Subscribe(SubscriptionConfig{Categories: []Category{CategoryFunction}})
	s.Seal()
	late := s.Subscribe(SubscriptionConfig{})
	s.Publish(TypeFunction, "c")
	s.Publish(TypeExtension, "x")
	s.Publish(TypeStart, "p")
	expect(t, "early", early, "a", "b", "c", "x", "p")
	expect(t, "second", second, "a", "b", "c")
	expect(t, "late", late, "c", "x", "p")
}

func TestBacklogLossIsTold(t *testing.T) {
	bus := NewBus()
	defer bus.Close()
	s := bus.Open(Source{})
	for i := range backlogItems + 5 {
		s.Publish(TypeFunction, i)
	}
	got := lines(drain(s.Subscribe(SubscriptionConfig{MaxItems: 2 * backlogItems, MaxBytes: 1 << 30})))
	if len(got) != backlogItems+1 || got[backlogItems] != "dropped 5" {
		t.Errorf("%d events, the last %s", len(got), got[len(got)-1])
	}
}

func TestFullBufferLosesNewest(t *testing.T) {
	bus := NewBus()
	defer bus.Close()
	s := bus.Open(Source{})
	small := s.Subscribe(SubscriptionConfig{MaxItems: 4})
	other := s.Subscribe(SubscriptionConfig{})
	for i := range 7 {
		s.Publish(TypeFunction, i)
	}
	expect(t, "neighbour", other, "0", "1", "2", "3", "4", "5", "6")
	if ev, _ := small.TryNext(); ev.Record != 0 {
		t.Errorf("first is %v", ev.Record)
	}
	s.Publish(TypeFunction, 7) // still more than half full: lost as well
	for range 2 {
		small.TryNext()
	}
	s.Publish(TypeFunction, 8)
	expect(t, "after the gap", small, "3", "dropped 4", "8")
	s.Publish(TypeFunction, 9)
	expect(t, "afterwards", small, "9")
	if got := len(drain(other)); got != 3 {
		t.Errorf("the neighbour got %d events of 3: it must not hear of losses that are not its own", got)
	}
}

// TestAFloodOfLinesLeavesRoomForThePlatform fills a buffer with lines: the end of
// the invocation is heard nevertheless, the loss is told once, and the bounds hold
// for the platform too.
func TestAFloodOfLinesLeavesRoomForThePlatform(t *testing.T) {
	const items, bytes, lines = 100, 100 << 10, 1000
	for name, line := range map[string]string{"items": "x", "bytes": strings.Repeat("x", 5000)} {
		t.Run(name, func(t *testing.T) {
			bus := NewBus()
			defer bus.Close()
			s := bus.Open(Source{})
			s.Seal()
			sub := s.Subscribe(SubscriptionConfig{MaxItems: items, MaxBytes: bytes})
			for range lines {
				s.Publish(TypeFunction, line)
			}
			s.Publish(TypeRuntimeDone, RuntimeDone{RequestID: "1"})
			s.Publish(TypeFunction, line)
			s.Publish(TypeReport, Report{RequestID: "1"})
			got := drain(sub)
			last := got[len(got)-3:]
			lost := int64(lines + 1 - (len(got) - 3))
			if last[0].Type != TypeRuntimeDone || last[1].Type != TypeReport || last[2].Record.(LogsDropped).DroppedRecords != lost {
				t.Errorf("%d events, the last %v", len(got), last)
			}
			for range 2 * items {
				s.Publish(TypeReport, Report{})
			}
			if got := drain(sub); len(got) != items*11/10+1 || got[len(got)-1].Record.(LogsDropped).DroppedRecords != items*9/10 {
				t.Errorf("%d events of the platform", len(got))
			}
		})
	}
}

func TestLossIsToldWithoutFurtherEvents(t *testing.T) {
	bus := NewBus()
	defer bus.Close()
	s := bus.Open(Source{EnvironmentID: "e"})
	sub := s.Subscribe(SubscriptionConfig{MaxItems: 1})
	s.Publish(TypeFunction, "a")
	s.Publish(TypeFunction, "b")
	s.Close()
	got := drain(sub)
	if len(got) != 2 || got[1].Type != TypeLogsDropped || got[1].Source.EnvironmentID != "e" || got[1].Time.IsZero() {
		t.Errorf("got %v", got)
	}
	if !sub.Ended() {
		t.Error("it has not ended")
	}
}

func TestBoundedByBytes(t *testing.T) {
	bus := NewBus()
	defer bus.Close()
	s := bus.Open(Source{})
	sub := s.Subscribe(SubscriptionConfig{MaxBytes: 1000})
	s.Publish(TypeFunction, string(make([]byte, 5000))) // an empty buffer takes anything
	s.Publish(TypeFunction, "b")
	got := drain(sub)
	if len(got) != 2 || got[1].Record != (LogsDropped{ReasonSlowConsumer, 1, 257}) {
		t.Errorf("got %d events, the last %v", len(got), got[len(got)-1])
	}
}

func TestNextAndEnd(t *testing.T) {
	bus := NewBus()
	s := bus.Open(Source{})
	sub := s.Subscribe(SubscriptionConfig{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := sub.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("nothing there: %v", err)
	}
	s.Publish(TypeFunction, "last")
	s.Close()
	s.Publish(TypeFunction, "too late")
	if ev, err := sub.Next(bounded(t)); err != nil || ev.Record != "last" {
		t.Errorf("got %v, %v", ev, err)
	}
	if _, err := sub.Next(bounded(t)); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
	bus.Close()
	for name, sub := range map[string]*Subscription{
		"stream of a closed bus": bus.Open(Source{}).Subscribe(SubscriptionConfig{}),
		"closed bus":             bus.Subscribe(SubscriptionConfig{}),
	} {
		if _, err := sub.Next(bounded(t)); !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSubscriptionClose(t *testing.T) {
	bus := NewBus()
	defer bus.Close()
	s := bus.Open(Source{})
	one, all := s.Subscribe(SubscriptionConfig{}), bus.Subscribe(SubscriptionConfig{})
	s.Publish(TypeFunction, "a")
	one.Close()
	all.Close()
	s.Publish(TypeFunction, "b")
	expect(t, "stream", one, "a")
	expect(t, "bus", all, "a")
	if len(s.subs) != 0 || len(*bus.subs.Load()) != 0 {
		t.Error("a closed subscription is still held")
	}
}

func TestBusSeesAllStreams(t *testing.T) {
	bus := NewBus()
	a := bus.Open(Source{EnvironmentID: "a"})
	sub := bus.Subscribe(SubscriptionConfig{})
	b := bus.Open(Source{EnvironmentID: "b"})
	a.Publish(TypeFunction, 1)
	b.Publish(TypeFunction, 2)
	a.Close()
	b.Publish(TypeFunction, 3)
	bus.Close()
	b.Publish(TypeFunction, 4)
	want := "a1 b2 b3 "
	got := ""
	for _, ev := range drain(sub) {
		got += fmt.Sprint(ev.Source.EnvironmentID, ev.Record, " ")
	}
	if got != want || !sub.Ended() {
		t.Errorf("got %q, want %q; ended %v", got, want, sub.Ended())
	}
}

// TestNothingAfterEnd has a publisher that still knows a subscription which has
// just ended.
func TestNothingAfterEnd(t *testing.T) {
	bus := NewBus()
	defer bus.Close()
	sub := bus.Subscribe(SubscriptionConfig{})
	sub.end()
	sub.offer(Event{Type: TypeFunction, Record: "late"})
	expect(t, "ended", sub)
	if !sub.Ended() {
		t.Error("it has not ended")
	}
}

// TestHammer has many publishers and a reader that is too slow: each event of
// each publisher arrives in order or is counted.
func TestHammer(t *testing.T) {
	const publishers, each = 8, 2000
	bus := NewBus()
	s := bus.Open(Source{})
	sub := s.Subscribe(SubscriptionConfig{MaxItems: 50})
	var wg sync.WaitGroup
	for p := range publishers {
		wg.Go(func() {
			for i := range each {
				s.Publish(TypeFunction, [2]int{p, i})
			}
		})
	}
	go func() {
		wg.Wait()
		bus.Close()
	}()
	next := [publishers]int{}
	seen, lost := 0, 0
	for {
		ev, err := sub.Next(bounded(t))
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if r, ok := ev.Record.(LogsDropped); ok {
			lost += int(r.DroppedRecords)
			continue
		}
		r := ev.Record.([2]int)
		if r[1] < next[r[0]] {
			t.Fatalf("publisher %d: %d after %d", r[0], r[1], next[r[0]])
		}
		next[r[0]] = r[1] + 1
		seen++
	}
	if seen+lost != publishers*each {
		t.Errorf("%d arrived and %d are told as lost, of %d", seen, lost, publishers*each)
	}
}

func BenchmarkPublish(b *testing.B) {
	for _, subscribers := range []int{0, 1, 10} {
		b.Run(fmt.Sprint(subscribers, " subscribers"), func(b *testing.B) {
			bus := NewBus()
			defer bus.Close()
			s := bus.Open(Source{})
			s.Seal()
			for range subscribers {
				s.Subscribe(SubscriptionConfig{MaxItems: 100}) // nobody reads: the worst case
			}
			var record any = Start{RequestID: "r"}
			b.ReportAllocs()
			for b.Loop() {
				s.Publish(TypeStart, record)
			}
		})
	}
}

// TestCountsBalance holds that every event is in one place.
func TestCountsBalance(t *testing.T) {
	bus := NewBus()
	defer bus.Close()
	s := bus.Open(Source{})
	for i := range backlogItems + 5 {
		s.Publish(TypeFunction, i)
	}
	sub := s.Subscribe(SubscriptionConfig{MaxItems: 8, MaxBytes: 1 << 30})
	s.Publish(TypeExtension, "more")
	taken := int64(len(drain(sub)))
	for i := range 20 {
		s.Publish(TypeFunction, i)
	}
	sub.Lost(3, 30) // of those that were taken
	taken -= 3
	c := sub.Counts()
	if c.Published != backlogItems+5+1+20 || c.Told == 0 || c.Waiting != 8 || c.Published+c.Told != c.Waiting+c.Dropped+taken {
		t.Errorf("%+v, %d taken", c, taken)
	}
}

func TestASubscriptionOfTheBusChoosesStreams(t *testing.T) {
	bus := NewBus()
	defer bus.Close()
	sub := bus.Subscribe(SubscriptionConfig{From: func(s Source) bool { return s.EnvironmentID == "wanted" }})
	for _, id := range []string{"other", "wanted"} {
		bus.Open(Source{EnvironmentID: id}).Publish(TypeFunction, id)
	}
	if ev, ok := sub.TryNext(); !ok || ev.Record != "wanted" {
		t.Errorf("got %v, %v", ev, ok)
	}
	if ev, ok := sub.TryNext(); ok {
		t.Errorf("got %v as well", ev)
	}
}

func TestASourceIsToldAndRead(t *testing.T) {
	src := Source{EnvironmentID: "e", FunctionName: "f", FunctionARN: "arn", FunctionVersion: "1"}
	text, err := Event{Type: TypeFunction, Record: "x", Time: time.Unix(0, 0), Source: &src}.EncodeFrom(Schema20250129)
	if err != nil {
		t.Fatal(err)
	}
	var back Event
	if err := json.Unmarshal(text, &back); err != nil || back.Source == nil {
		t.Fatalf("%s: %v", text, err)
	}
	if src.FunctionName = ""; *back.Source != src {
		t.Errorf("read %+v from %s", *back.Source, text)
	}
}

// TestResubscribe has publishers at work while one subscription follows another,
// again and again: each event is in one of them, in order.
func TestResubscribe(t *testing.T) {
	const publishers, each = 4, 1000
	for name, of := range map[string]func(*Bus, *Stream) func(*Subscription, SubscriptionConfig) *Subscription{
		"stream": func(_ *Bus, s *Stream) func(*Subscription, SubscriptionConfig) *Subscription { return s.Resubscribe },
		"bus":    func(b *Bus, _ *Stream) func(*Subscription, SubscriptionConfig) *Subscription { return b.Resubscribe },
	} {
		t.Run(name, func(t *testing.T) {
			bus := NewBus()
			s := bus.Open(Source{})
			follow := of(bus, s)
			subs := []*Subscription{follow(nil, SubscriptionConfig{})}
			var wg sync.WaitGroup
			for p := range publishers {
				wg.Go(func() {
					for i := range each {
						s.Publish(TypeFunction, [2]int{p, i})
					}
				})
			}
			for range 20 {
				subs = append(subs, follow(subs[len(subs)-1], SubscriptionConfig{}))
			}
			wg.Wait()
			bus.Close()
			next := [publishers]int{}
			for _, sub := range subs {
				for _, ev := range drain(sub) {
					r := ev.Record.([2]int)
					if r[1] != next[r[0]] {
						t.Fatalf("publisher %d: %d instead of %d", r[0], r[1], next[r[0]])
					}
					next[r[0]]++
				}
				if !sub.Ended() {
					t.Error("one has not ended")
				}
			}
			if next != [publishers]int{each, each, each, each} {
				t.Errorf("%v arrived", next)
			}
		})
	}
}
