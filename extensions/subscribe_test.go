package extensions

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/telemetry"
)

// subscriber is an internal extension that only subscribes, with the bodies that
// a test writes.
type subscriber struct {
	*stage
	id string
}

func newSubscriber(t *testing.T) subscriber {
	t.Helper()
	s := started(t, "good")
	_, _, header := s.call("POST", extapi.PathRegister, `{"events":[]}`, extapi.HeaderName, "in")
	return subscriber{s, header.Get(extapi.HeaderIdentifier)}
}

func (s subscriber) put(path, body, want string) {
	s.t.Helper()
	status, got, _ := s.call("PUT", path, body, extapi.HeaderIdentifier, s.id)
	if wantStatus := map[bool]int{true: 200, false: 400}[strings.HasPrefix(want, `"`)]; !strings.Contains(got, want) || status != wantStatus {
		s.t.Errorf("PUT %s %s: %d %s, want %s", path, body, status, got, want)
	}
}

func (s subscriber) telemetry(req extapi.SubscriptionRequest, want string) {
	s.t.Helper()
	s.put(extapi.PathTelemetry, string(mustJSON(s.t, req)), want)
}

// states are those of the subscription events that arrive.
func states(s *stage, k *sink, n int) (states []string) {
	s.t.Helper()
	for _, ev := range k.collect(s, n) {
		states = append(states, ev.Record.(telemetry.TelemetrySubscription).State)
	}
	return states
}

func TestSubscriptionRules(t *testing.T) {
	k, other := newSink(t, ok), newSink(t, ok)
	s := newSubscriber(t)
	req := k.request("platform", "function")
	s.telemetry(req, `"OK"`)
	s.telemetry(req, `"AlreadySubscribed"`)
	slices.Reverse(req.Types)
	req.Destination.URI = strings.Replace(req.Destination.URI, "sandbox.localdomain", "sandbox", 1)
	s.telemetry(req, `"AlreadySubscribed"`)
	s.telemetry(other.request("platform"), `"OK"`)
	if status, body, _ := s.call("PUT", extapi.PathTelemetry, string(mustJSON(t, req))); status != 403 || !strings.Contains(body, extapi.ErrMissingExtensionIdentifier) {
		t.Errorf("nobody: %d %s", status, body)
	}
	if got, want := states(s.stage, k, 4), []string{"Subscribed", "Already subscribed", "Already subscribed", "Subscribed"}; !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}

// TestAnotherSubscriptionForTheSamePlace takes the place of the first: no event
// comes twice, and none is left out.
func TestAnotherSubscriptionForTheSamePlace(t *testing.T) {
	k := newSink(t, ok)
	s := newSubscriber(t)
	s.stream.Publish(telemetry.TypeFunction, "early")
	s.stream.Publish(telemetry.TypeExtension, "early, too")
	req := k.request(telemetry.CategoryFunction)
	long := int(extapi.MaxTimeout.Milliseconds())
	req.Buffering.TimeoutMs = &long // the first holds its events until it is replaced
	s.telemetry(req, `"OK"`)
	s.stream.Publish(telemetry.TypeFunction, "to the first")
	s.telemetry(k.request(telemetry.CategoryFunction, telemetry.CategoryExtension), `"OK"`)
	s.stream.Publish(telemetry.TypeFunction, "to the second")
	s.stream.Publish(telemetry.TypeExtension, "new to it")
	var got []string
	for _, ev := range k.collect(s.stage, 5) {
		got = append(got, ev.Record.(string))
	}
	if want := []string{"early", "to the first", "early, too", "to the second", "new to it"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if n := len(s.set.all[1].deliveries); n != 1 {
		t.Errorf("%d subscriptions", n)
	}
}

// logsSink keeps events as they arrive.
func logsSink(t *testing.T) (uri string, events chan [2]string) {
	events = make(chan [2]string, 1000)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var batch []struct {
			Type   string          `json:"type"`
			Record json.RawMessage `json:"record"`
		}
		body, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(body, &batch); err != nil {
			t.Errorf("%s: %v", body, err)
		}
		for _, ev := range batch {
			events <- [2]string{ev.Type, string(ev.Record)}
		}
	}))
	t.Cleanup(server.Close)
	return strings.Replace(server.URL, "127.0.0.1", "sandbox", 1), events
}

// TestLogsAPI subscribes as extensions of several vendors do, word for word but
// for the port, and reads an invocation.
func TestLogsAPI(t *testing.T) {
	end := []string{`platform.end {"requestId":"r"}`, `platform.report {"requestId":"r","metrics":{"durationMs":1.500,"billedDurationMs":2,"memorySizeMB":128,"maxMemoryUsedMB":64}}`}
	done := `platform.runtimeDone {"requestId":"r","status":"success"}`
	for name, test := range map[string]struct {
		body string
		done []string
	}{
		"no schema": {`{"buffering":{"maxBytes":1048576,"maxItems":10000,"timeoutMs":25},"destination":{"URI":"URL","protocol":"HTTP"},"types":["platform","function"]}`, nil},
		"new":       {`{"schemaVersion":"2021-03-18","types":["platform","function","extension"],"buffering":{"maxItems":10000,"maxBytes":1048576,"timeoutMs":100},"destination":{"protocol":"HTTP","URI":"URL","method":"POST","encoding":"JSON"}}`, []string{done}},
		"old":       {`{"schemaVersion":"2020-08-15","types":["platform","function"],"destination":{"protocol":"HTTP","uri":"URL/path"}}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			uri, events := logsSink(t)
			s := newSubscriber(t)
			s.stream.Publish(telemetry.TypeInitStart, telemetry.InitStart{Phase: telemetry.PhaseInit})
			body := strings.Replace(test.body, "URL", uri, 1)
			s.put(extapi.PathLogs, body, `"OK"`)
			s.put(extapi.PathLogs, body, `"AlreadySubscribed"`)
			s.stream.Publish(telemetry.TypeStart, telemetry.Start{RequestID: "r", Version: "1"})
			s.stream.Publish(telemetry.TypeFunction, json.RawMessage(`{"level":"INFO"}`))
			s.stream.Publish(telemetry.TypeRuntimeDone, telemetry.RuntimeDone{RequestID: "r", Status: telemetry.StatusSuccess})
			s.stream.Publish(telemetry.TypeReport, telemetry.Report{RequestID: "r", Metrics: telemetry.ReportMetrics{DurationMs: 1.5, BilledDurationMs: 2, MemorySizeMB: 128, MaxMemoryUsedMB: 64, CPUTimeMs: 1}})
			types := `"types":["platform","function"]`
			if name == "new" {
				types = `"types":["platform","function","extension"]`
			}
			want := []string{
				`platform.logsSubscription {"name":"in","state":"Subscribed",` + types + `}`,
				`platform.logsSubscription {"name":"in","state":"Already subscribed",` + types + `}`,
				`platform.start {"requestId":"r","version":"1"}`, `function "{\"level\":\"INFO\"}"`,
			}
			for _, want := range slices.Concat(want, test.done, end) {
				select {
				case ev := <-events:
					if got := ev[0] + " " + ev[1]; got != want {
						t.Fatalf("got %s, want %s", got, want)
					}
				case <-s.ctx().Done():
					t.Fatalf("%s does not come", want)
				}
			}
		})
	}
}

// TestOneOfTheTwoAPIs holds that an extension that has subscribed through one API
// is refused by the other, and its neighbour is not.
func TestOneOfTheTwoAPIs(t *testing.T) {
	k := newSink(t, ok)
	telemetryBody := string(mustJSON(t, k.request("platform")))
	logsBody := strings.Replace(telemetryBody, string(telemetry.Schema20221213), string(telemetry.LogsSchema20210318), 1)
	s := newSubscriber(t)
	s.put(extapi.PathTelemetry, telemetryBody, `"OK"`)
	s.put(extapi.PathLogs, logsBody, extapi.ErrLogsAccessDenied)
	_, _, header := s.call("POST", extapi.PathRegister, `{"events":[]}`, extapi.HeaderName, "neighbour")
	s.id = header.Get(extapi.HeaderIdentifier)
	s.put(extapi.PathLogs, logsBody, `"OK"`)
	s.put(extapi.PathTelemetry, telemetryBody, extapi.ErrAccessDenied)
}

func TestSubscriptionsClose(t *testing.T) {
	k := newSink(t, ok)
	s, c := subscribe(t, k.request(telemetry.CategoryPlatform))
	_, _, header := s.call("POST", extapi.PathRegister, `{"events":[]}`, extapi.HeaderName, "other")
	polled := make(chan struct{}, 2)
	for _, id := range []string{header.Get(extapi.HeaderIdentifier), ""} {
		go func() { // until the set is shut down
			defer func() { polled <- struct{}{} }()
			if id == "" {
				_, _ = c.Next(s.ctx())
				return
			}
			req, _ := http.NewRequestWithContext(s.ctx(), "GET", "http://"+s.set.addr+extapi.PathNext, nil)
			req.Header.Set(extapi.HeaderIdentifier, id)
			if res, err := http.DefaultClient.Do(req); err == nil {
				_ = res.Body.Close()
			}
		}()
	}
	if err := s.set.FinishInit(s.ctx()); err != nil {
		t.Fatal(err)
	}
	var refused *extapi.Error
	err := c.Subscribe(s.ctx(), k.request(telemetry.CategoryFunction))
	if !errors.As(err, &refused) || refused.Status != 403 || refused.Type != extapi.ErrSubscriptionClosed {
		t.Errorf("after init: %v", err)
	}
	status, body, _ := s.call("PUT", extapi.PathLogs, `{"types":["platform"],"destination":{"protocol":"TCP","port":4000}}`, extapi.HeaderIdentifier, header.Get(extapi.HeaderIdentifier))
	if status != 403 || !strings.Contains(body, extapi.ErrLogsSubscriptionClosed) {
		t.Errorf("Logs API after init: %d %s", status, body)
	}
	s.shutdown(0)
	<-polled
	<-polled
}

func TestAFailedExtensionCannotSubscribe(t *testing.T) {
	s := newSubscriber(t)
	s.call("POST", extapi.PathExitError, "", extapi.HeaderIdentifier, s.id, extapi.HeaderFunctionErrorType, "Extension.X")
	status, body, _ := s.call("PUT", extapi.PathTelemetry, string(mustJSON(t, newSink(t, ok).request("platform"))), extapi.HeaderIdentifier, s.id)
	if status != 403 || !strings.Contains(body, extapi.ErrInvalidExtensionState) {
		t.Errorf("%d %s", status, body)
	}
}

func TestSubscriptionsAreBounded(t *testing.T) {
	k := newSink(t, ok)
	req := k.request(telemetry.CategoryPlatform)
	s, c := subscribe(t, req)
	var err error
	n := 1
	for ; err == nil && n < 100; n++ {
		req.Destination.URI += "/more" // another subscription each time
		err = c.Subscribe(s.ctx(), req)
	}
	var refused *extapi.Error
	if !errors.As(err, &refused) || refused.Type != extapi.ErrValidation || n-1 != maxSubscriptions {
		t.Errorf("after %d subscriptions: %v", n-1, err)
	}
}
