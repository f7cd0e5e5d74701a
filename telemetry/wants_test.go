package telemetry

import "testing"

func TestAStreamWantsWhatSomebodyTakes(t *testing.T) {
	bus := NewBus()
	defer bus.Close()
	s := bus.Open(Source{})
	want := func(when string, platform, function, extension bool) {
		t.Helper()
		for c, wanted := range map[Category]bool{CategoryPlatform: platform, CategoryFunction: function, CategoryExtension: extension} {
			if got := s.Wants(c); got != wanted {
				t.Errorf("%s: Wants(%s) = %v", when, c, got)
			}
		}
	}
	want("while events are kept for those who come", true, true, true)
	s.Seal()
	want("with nobody there", false, false, false)
	own := s.Subscribe(SubscriptionConfig{Categories: []Category{CategoryPlatform}})
	want("with a subscription", true, false, false)
	all := bus.Subscribe(SubscriptionConfig{Categories: []Category{CategoryFunction}})
	want("with one of the bus", true, true, false)
	any := s.Subscribe(SubscriptionConfig{})
	want("with one that takes all", true, true, true)
	any.Close()
	own.Close()
	want("after those of the stream have gone", false, true, false)
	all.Close()
	want("after all have gone", false, false, false)
}

func TestOutputThatNobodyReadsCostsNothing(t *testing.T) {
	bus := NewBus()
	defer bus.Close()
	s := bus.Open(Source{})
	s.Seal()
	w := NewLineWriter(s, TypeFunction)
	line := []byte("a line of output\nand half a one")
	allocations := testing.AllocsPerRun(100, func() {
		_, _ = w.Write(line)
		w.Flush()
		if s.Wants(CategoryPlatform) {
			s.Publish(TypeStart, Start{RequestID: "r"})
		}
	})
	if allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
}

func TestAStreamThatNobodyChoseWantsNothing(t *testing.T) {
	bus := NewBus()
	defer bus.Close()
	before := bus.Open(Source{FunctionName: "other"})
	sub := bus.Subscribe(SubscriptionConfig{From: func(s Source) bool { return s.FunctionName == "chosen" }})
	after, chosen := bus.Open(Source{FunctionName: "other"}), bus.Open(Source{FunctionName: "chosen"})
	for s, want := range map[*Stream]bool{before: false, after: false, chosen: true} {
		s.Seal()
		if got := s.Wants(CategoryPlatform); got != want {
			t.Errorf("a stream of %s: %v", s.Source().FunctionName, got)
		}
	}
	chosen.Close()
	sub.Close()
	for _, s := range []*Stream{before, after, chosen} {
		if s.Wants(CategoryPlatform) {
			t.Error("a stream wants what nobody reads")
		}
	}
}
