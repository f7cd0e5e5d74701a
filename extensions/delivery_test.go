package extensions

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/extensions/sdk"
	"github.com/lambent-host/lambent/telemetry"
)

// sink is a subscriber's listener; answer decides what a batch is answered with.
type sink struct {
	server  *httptest.Server
	batches chan []telemetry.Event
	first   time.Time // when the first batch arrived; read it after collect
}

func newSink(t *testing.T, answer func(attempt int) int) *sink {
	k := &sink{batches: make(chan []telemetry.Event, 10000)}
	var mu sync.Mutex // several subscriptions may lead here
	attempt := 0
	k.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		attempt++
		status := answer(attempt)
		mu.Unlock()
		if status != http.StatusOK {
			w.WriteHeader(status)
			return
		}
		var batch []telemetry.Event
		body, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(body, &batch); err != nil || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("a batch is no JSON array: %v", err)
		}
		mu.Lock()
		if k.first.IsZero() {
			k.first = time.Now()
		}
		mu.Unlock()
		k.batches <- batch
	}))
	t.Cleanup(k.server.Close)
	return k
}

func ok(int) int { return http.StatusOK }

func (k *sink) request(types ...telemetry.Category) extapi.SubscriptionRequest {
	_, port, _ := net.SplitHostPort(k.server.Listener.Addr().String())
	timeout := int(extapi.MinTimeout.Milliseconds())
	return extapi.SubscriptionRequest{
		SchemaVersion: telemetry.Schema20221213,
		Types:         types,
		Buffering:     &extapi.BufferingRequest{TimeoutMs: &timeout},
		Destination:   extapi.DestinationRequest{Protocol: "HTTP", URI: "http://sandbox.localdomain:" + port + "/logs"},
	}
}

// subscribe starts a set with an internal extension "in" that has subscribed.
func subscribe(t *testing.T, req extapi.SubscriptionRequest) (*stage, *sdk.Client) {
	t.Helper()
	s := started(t, "good")
	c := s.internal("in", extapi.Invoke)
	if err := c.Subscribe(s.ctx(), req); err != nil {
		t.Fatal(err)
	}
	return s, c
}

// collect waits for n events.
func (k *sink) collect(s *stage, n int) []telemetry.Event {
	s.t.Helper()
	var got []telemetry.Event
	for len(got) < n {
		select {
		case batch := <-k.batches:
			got = append(got, batch...)
		case <-s.ctx().Done():
			s.t.Fatalf("%d of %d events arrived", len(got), n)
		}
	}
	return got
}

func TestDeliveryInOrder(t *testing.T) {
	k := newSink(t, ok)
	s, _ := subscribe(t, k.request(telemetry.CategoryPlatform, telemetry.CategoryFunction))
	first := k.collect(s, 1)[0]
	if r, ok := first.Record.(telemetry.TelemetrySubscription); !ok || r.Name != "in" || r.State != "Subscribed" || len(r.Types) != 2 {
		t.Errorf("the first event is %+v", first)
	}
	const n = 25000 // more than two batches hold
	go func() {
		for i := range n {
			s.stream.Publish(telemetry.TypeFunction, fmt.Sprint(i))
			s.stream.Publish(telemetry.TypeExtension, "not asked for")
		}
	}()
	next, dropped := 0, 0
	for next < n {
		for _, ev := range k.collect(s, 1) {
			if r, ok := ev.Record.(telemetry.LogsDropped); ok {
				dropped += int(r.DroppedRecords)
				next += int(r.DroppedRecords)
				continue
			}
			if ev.Record != fmt.Sprint(next) {
				t.Fatalf("got %v, want line %d", ev, next)
			}
			next++
		}
	}
	t.Logf("%d dropped", dropped)
}

func TestEarlyEventsAreReplayed(t *testing.T) {
	s := newStage(t)
	s.stream.Publish(telemetry.TypeInitStart, telemetry.InitStart{Phase: telemetry.PhaseInit})
	s.start("good")
	k := newSink(t, ok)
	if err := s.internal("in").Subscribe(s.ctx(), k.request(telemetry.CategoryPlatform)); err != nil {
		t.Fatal(err)
	}
	if got := k.collect(s, 2); got[0].Type != telemetry.TypeInitStart || got[1].Type != telemetry.TypeTelemetrySubscription {
		t.Errorf("got %v", got)
	}
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDeliveryIsRetried(t *testing.T) {
	k := newSink(t, func(attempt int) int {
		if attempt < 4 {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	})
	s, _ := subscribe(t, k.request(telemetry.CategoryPlatform))
	if got := k.collect(s, 1); len(got) != 1 || got[0].Type != telemetry.TypeTelemetrySubscription {
		t.Errorf("got %v", got)
	}
}

// TestListenerThatComesLate subscribes before it listens.
func TestListenerThatComesLate(t *testing.T) {
	k := newSink(t, ok)
	late := httptest.NewUnstartedServer(k.server.Config.Handler)
	addr := late.Listener.Addr().String()
	_ = late.Listener.Close()
	req := k.request(telemetry.CategoryPlatform)
	_, port, _ := net.SplitHostPort(addr)
	req.Destination.URI = "http://sandbox:" + port
	s, _ := subscribe(t, req)
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	late.Listener = listener
	late.Start()
	defer late.Close()
	k.collect(s, 1)
}

// TestRuntimeDoneWaitsForInvoke publishes a runtimeDone while the extension has
// not fetched its INVOKE.
func TestRuntimeDoneWaitsForInvoke(t *testing.T) {
	k := newSink(t, ok)
	s, c := subscribe(t, k.request(telemetry.CategoryPlatform))
	k.collect(s, 1)
	s.set.Invoke(InvokeEvent{RequestID: "r1", Deadline: time.Now().Add(limit)})
	s.stream.Publish(telemetry.TypeStart, telemetry.Start{RequestID: "r1"})
	s.stream.Publish(telemetry.TypeRuntimeDone, telemetry.RuntimeDone{RequestID: "r1", Status: telemetry.StatusSuccess})
	if got := k.collect(s, 1); len(got) != 1 || got[0].Type != telemetry.TypeStart {
		t.Fatalf("before INVOKE: %v", got)
	}
	select {
	case batch := <-k.batches:
		t.Fatalf("before INVOKE: %v", batch)
	case <-time.After(4 * extapi.MinTimeout):
	}
	if _, err := c.Next(s.ctx()); err != nil {
		t.Fatal(err)
	}
	if got := k.collect(s, 1); got[0].Type != telemetry.TypeRuntimeDone {
		t.Errorf("after INVOKE: %v", got)
	}
}

// TestStuckSubscriber has a subscriber never answer: neither invocations nor
// the shutdown wait for it longer than their budget.
func TestStuckSubscriber(t *testing.T) {
	stuck := make(chan struct{})
	k := newSink(t, func(int) int { <-stuck; return http.StatusOK })
	defer close(stuck)
	s, _ := subscribe(t, k.request(telemetry.CategoryPlatform, telemetry.CategoryFunction))
	began := time.Now()
	for i := range 100000 {
		s.stream.Publish(telemetry.TypeFunction, fmt.Sprint(i))
	}
	s.shutdown(time.Second)
	if took := time.Since(began); took > limit/2 {
		t.Errorf("it took %v", took)
	}
	for _, x := range s.set.all {
		for _, d := range x.deliveries {
			select {
			case <-d.done:
			default:
				t.Error("a delivery outlives the set")
			}
		}
	}
}

func TestFlushedBeforeShutdown(t *testing.T) {
	k := newSink(t, ok)
	req := k.request(telemetry.CategoryFunction)
	long := int(extapi.MaxTimeout.Milliseconds())
	req.Buffering.TimeoutMs = &long // no batch leaves by time
	s, _ := subscribe(t, req)
	s.stream.Publish(telemetry.TypeFunction, "last words")
	s.shutdown(limit)
	if got := k.collect(s, 1); got[0].Record != "last words" {
		t.Errorf("got %v", got)
	}
	if sent := s.when("SHUTDOWN"); sent.Before(k.first) {
		t.Errorf("SHUTDOWN at %v, the last telemetry at %v", sent, k.first)
	}
}

// TestUndeliverableIsCounted gives a batch up and tells the subscriber of it
// with the next one.
func TestUndeliverableIsCounted(t *testing.T) {
	bus := telemetry.NewBus()
	defer bus.Close()
	stream := bus.Open(telemetry.Source{})
	broken := errors.New("refused")
	send := &scripted{errs: []error{broken, nil}}
	d := &delivery{
		cfg:         extapi.Subscription{Schema: telemetry.Schema20221213, Buffering: extapi.Buffering{MaxItems: 1000, MaxBytes: 262144}},
		sub:         stream.Subscribe(telemetry.SubscriptionConfig{}),
		send:        send,
		encoding:    telemetry.Encoding{Schema: telemetry.Schema20221213, Separator: separatorHTTP},
		log:         zerolog.Nop(),
		retryBudget: time.Millisecond,
	}
	stream.Publish(telemetry.TypeFunction, "lost")
	d.collect(t.Context())
	d.post(t.Context())
	stream.Publish(telemetry.TypeFunction, "kept")
	d.collect(t.Context())
	d.post(t.Context())
	if len(send.batches) != 2 || !strings.Contains(send.batches[1], `"droppedRecords":1`) || !strings.Contains(send.batches[1], "kept") {
		t.Errorf("batches %q", send.batches)
	}
}

// scripted is a sender that fails as told.
type scripted struct {
	errs    []error
	batches []string
}

func (s *scripted) send(_ context.Context, b *batch) error {
	err := s.errs[0]
	s.errs = s.errs[1:]
	s.batches = append(s.batches, string(bytes.Join(b.items(), []byte("\n"))))
	return err
}

func (s *scripted) close() {}

// TestBatchesLeaveByItemsAndBytes holds both bounds; the timer never fires.
func TestBatchesLeaveByItemsAndBytes(t *testing.T) {
	bus := telemetry.NewBus()
	defer bus.Close()
	stream := bus.Open(telemetry.Source{})
	for _, test := range []struct {
		lines, size int
		want        []int // events in each batch
	}{
		{2500, 1, []int{1000, 1000}},
		{5, 100_000, []int{2, 2}},
		{1, 300_000, []int{1}},
	} {
		send := &scripted{errs: make([]error, 10)}
		d := &delivery{
			cfg:         extapi.Subscription{Schema: telemetry.Schema20221213, Buffering: extapi.Buffering{MaxItems: 1000, MaxBytes: 262144}},
			sub:         stream.Subscribe(telemetry.SubscriptionConfig{}),
			send:        send,
			encoding:    telemetry.Encoding{Schema: telemetry.Schema20221213, Separator: separatorHTTP},
			retryBudget: time.Second,
		}
		stream.Seal()
		for range test.lines {
			stream.Publish(telemetry.TypeFunction, strings.Repeat("x", test.size))
		}
		d.collect(t.Context())
		d.sub.Close()
		var got []int
		for _, batch := range send.batches {
			got = append(got, strings.Count(batch, "\n")+1)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%d lines of %d bytes: batches %v, want %v", test.lines, test.size, got, test.want)
		}
	}
}
