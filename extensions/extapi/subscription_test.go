package extapi

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lambent-host/lambent/telemetry"
)

func TestDecodeLogsSubscription(t *testing.T) {
	const rest = `"types":["platform"],"destination":{"protocol":"HTTP","URI":"http://sandbox:8080"}}`
	for body, want := range map[string]telemetry.Schema{
		`{` + rest:                              telemetry.LogsSchema20200815,
		`{"schemaVersion":"2020-08-15",` + rest: telemetry.LogsSchema20200815,
		`{"schemaVersion":"2021-03-18",` + rest: telemetry.LogsSchema20210318,
	} {
		sub, err := DecodeLogsSubscription([]byte(body))
		if err != nil || sub.Schema != want || sub.Buffering != (Buffering{10000, 262144, time.Second}) || sub.Errors() != logsErrors {
			t.Errorf("%s: %+v, %v", body, sub, err)
		}
	}
	for body, want := range map[string]Error{
		`{"schemaVersion":"2022-12-13",` + rest: {400, `schemaVersion "2022-12-13" is not supported: use 2020-08-15 or 2021-03-18`, ErrLogsValidation},
		`{}`:                                    {400, "types should not be empty; destination.protocol is missing", ErrLogsValidation},
		`{"buffering":{"maxBytes":10240},` + rest: {400, "buffering.maxBytes is 10240: it must be from 262144 to 1048576", ErrLogsValidation},
		`[]`: {400, "body is not a subscription: json: cannot unmarshal array into Go value of type extapi.SubscriptionRequest", ErrLogsDeserialization},
		strings.Replace(`{`+rest, "http:", "https:", 1): {403, `destination.URI: scheme "https" is not http`, ErrLogsAccessDenied},
	} {
		if _, err := DecodeLogsSubscription([]byte(body)); refusal(err) != want {
			t.Errorf("%s:\n got %v\nwant %v", body, refusal(err), want)
		}
	}
}

func TestSpellings(t *testing.T) {
	for _, body := range []string{
		`{"schemaVersion":"2022-12-13","types":["platform"],"destination":{"protocol":"HTTP","uri":"http://sandbox:8080"},"buffering":null}`,
		`{"SchemaVersion":"2022-12-13","Types":["platform"],"Destination":{"Protocol":"HTTP","Uri":"http://sandbox:8080"},"buffering":{"maxItems":null}}`,
	} {
		if sub, err := DecodeSubscription([]byte(body)); err != nil || sub.Destination.Port != 8080 || sub.Errors() != telemetryErrors {
			t.Errorf("%s: %+v, %v", body, sub, err)
		}
	}
}

func TestTheSameDestination(t *testing.T) {
	at := func(uri string) Destination { return Destination{Protocol: ProtocolHTTP, URI: uri, Port: 80} }
	for _, test := range []struct {
		a, b Destination
		want bool
	}{
		{at("http://sandbox:80"), at("http://sandbox.localdomain:80/"), true},
		{at("http://sandbox:80/a"), at("http://sandbox:80/b"), false},
		{at("http://sandbox:80/a?b"), at("http://sandbox:80/a"), false},
		{Destination{Protocol: ProtocolTCP, Port: 1}, Destination{Protocol: ProtocolTCP, Port: 1}, true},
		{Destination{Protocol: ProtocolTCP, Port: 1}, Destination{Protocol: ProtocolTCP, Port: 2}, false},
		{Destination{Protocol: ProtocolTCP, Port: 80}, at("http://sandbox:80"), false},
	} {
		if got := test.a.Same(test.b); got != test.want {
			t.Errorf("%v and %v: %v", test.a, test.b, got)
		}
	}
}

func TestEqualSubscriptions(t *testing.T) {
	sub := func(change func(*Subscription)) Subscription {
		s := Subscription{telemetry.Schema20221213, []telemetry.Category{"platform", "function"}, Buffering{1000, 262144, time.Second}, Destination{ProtocolHTTP, "http://sandbox:80", "POST", 80}}
		change(&s)
		return s
	}
	same := sub(func(*Subscription) {})
	if !same.Equal(sub(func(s *Subscription) { s.Types = []telemetry.Category{"function", "platform"} })) {
		t.Error("the order of types has a meaning")
	}
	for what, change := range map[string]func(*Subscription){
		"schema":    func(s *Subscription) { s.Schema = telemetry.Schema20220701 },
		"types":     func(s *Subscription) { s.Types = s.Types[:1] },
		"type":      func(s *Subscription) { s.Types = []telemetry.Category{"platform", "extension"} },
		"buffering": func(s *Subscription) { s.Buffering.MaxItems++ },
		"method":    func(s *Subscription) { s.Destination.Method = "PUT" },
		"place":     func(s *Subscription) { s.Destination.URI += "/x" },
	} {
		if same.Equal(sub(change)) {
			t.Errorf("another %s makes no difference", what)
		}
	}
}

// FuzzDecodeSubscription holds that a subscription is refused with a shaped
// error or is within all bounds and stays inside the environment.
func FuzzDecodeSubscription(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":"2022-12-13","types":["platform"],` + destination + `}`))
	f.Add([]byte(`{"schemaVersion":"2022-07-01","types":["function"],"destination":{"protocol":"TCP","port":1}}`))
	f.Add([]byte(`{"types":["function"],"destination":{"protocol":"TCP","port":1}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		sub, err := DecodeSubscription(body)
		checkDecoded(t, body, sub, err, telemetry.Schema.Valid)
		logs, err := DecodeLogsSubscription(body)
		checkDecoded(t, body, logs, err, telemetry.Schema.Logs)
	})
}

func checkDecoded(t *testing.T, body []byte, sub Subscription, err error, schema func(telemetry.Schema) bool) {
	if err != nil {
		if e := refusal(err); e.Status < 400 || e.Type == "" || e.Message == "" {
			t.Fatalf("%q: %#v", body, err)
		}
		return
	}
	b := sub.Buffering
	switch {
	case !schema(sub.Schema), len(sub.Types) == 0, len(sub.Types) > 3,
		b.MaxItems < MinItems, b.MaxItems > MaxItems, b.MaxBytes < MinBytes, b.MaxBytes > MaxBytes,
		b.Timeout < MinTimeout, b.Timeout > MaxTimeout,
		sub.Destination.Port < 1, sub.Destination.Port > 65535, sub.Destination.Port == ReservedPort,
		!sub.Destination.Same(Destination{Protocol: sub.Destination.Protocol, URI: sub.Destination.URI, Port: sub.Destination.Port}):
		t.Fatalf("%q: %+v", body, sub)
	}
	if sub.Destination.Protocol == ProtocolHTTP {
		req, err := http.NewRequest(sub.Destination.Method, sub.Destination.URI, nil)
		if err != nil || !isSandbox(req.URL.Hostname()) {
			t.Fatalf("%q: %v", sub.Destination.URI, err)
		}
	}
}
