package extapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lambent-host/lambent/telemetry"
)

// refusal is what a decoder answered, or an empty error.
func refusal(err error) Error {
	var e *Error
	if errors.As(err, &e) {
		return *e
	}
	return Error{}
}

const destination = `"destination":{"protocol":"HTTP","URI":"http://sandbox.localdomain:8080/path"}`

func TestDecodeSubscription(t *testing.T) {
	got, err := DecodeSubscription([]byte(`{"schemaVersion":"2022-12-13","types":["platform","function"],` + destination + `}`))
	want := Subscription{
		Schema:      telemetry.Schema20221213,
		Types:       []telemetry.Category{"platform", "function"},
		Buffering:   Buffering{10000, 262144, time.Second},
		Destination: Destination{Protocol: "HTTP", URI: "http://sandbox.localdomain:8080/path", Method: "POST", Port: 8080},
	}
	if err != nil || !got.Equal(want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
	got, err = DecodeSubscription([]byte(`{"schemaVersion":"2025-01-29","types":["extension"],"other":1,
		"buffering":{"maxItems":1000,"maxBytes":1048576,"timeoutMs":25},"destination":{"protocol":"TCP","port":9000}}`))
	want = Subscription{
		Schema:      telemetry.Schema20250129,
		Types:       []telemetry.Category{"extension"},
		Buffering:   Buffering{1000, 1048576, 25 * time.Millisecond},
		Destination: Destination{Protocol: "TCP", Port: 9000},
	}
	if err != nil || !got.Equal(want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
	for _, host := range []string{"sandbox", "localhost", "127.0.0.1", "SANDBOX.localdomain"} {
		body := strings.Replace(destination, "sandbox.localdomain", host, 1)
		if _, err := DecodeSubscription([]byte(`{"schemaVersion":"2022-07-01","types":["platform"],` + body + `}`)); err != nil {
			t.Errorf("host %s: %v", host, err)
		}
	}
	got, err = DecodeSubscription([]byte(`{"schemaVersion":"2022-07-01","types":["platform"],` +
		strings.TrimSuffix(destination, "}") + `,"method":"PUT","encoding":"JSON"}}`))
	if err != nil || got.Destination.Method != "PUT" {
		t.Errorf("method and encoding: %+v, %v", got, err)
	}
}

func TestDecodeSubscriptionRefused(t *testing.T) {
	valid := map[string]string{
		"schemaVersion": `"2022-12-13"`, "types": `["platform"]`,
		"destination": `{"protocol":"HTTP","URI":"http://sandbox:8080"}`,
	}
	uri := func(uri string) string { return `{"protocol":"HTTP","URI":"` + uri + `"}` }
	tests := []struct {
		field, value string // value "" leaves the field out
		status       int
		typ, message string
	}{
		{"schemaVersion", "", 400, ErrValidation, "schemaVersion is missing"},
		{"schemaVersion", `"2020-01-01"`, 400, ErrValidation, "schemaVersion"},
		{"schemaVersion", `1`, 400, ErrDeserialization, "schemaVersion"},
		{"types", "", 400, ErrValidation, "types should not be empty"},
		{"types", `[]`, 400, ErrValidation, "types should not be empty"},
		{"types", `["platform.runtimeDone"]`, 400, ErrValidation, `"platform.runtimeDone"`},
		{"types", `["platform","platform"]`, 400, ErrValidation, "twice"},
		{"types", `"platform"`, 400, ErrDeserialization, "types"},
		{"buffering", `{"maxItems":999}`, 400, ErrValidation, "buffering.maxItems is 999: it must be from 1000 to 10000"},
		{"buffering", `{"maxItems":10001}`, 400, ErrValidation, "maxItems"},
		{"buffering", `{"maxBytes":262143}`, 400, ErrValidation, "maxBytes"},
		{"buffering", `{"maxBytes":1048577}`, 400, ErrValidation, "maxBytes"},
		{"buffering", `{"timeoutMs":24}`, 400, ErrValidation, "timeoutMs"},
		{"buffering", `{"timeoutMs":30001}`, 400, ErrValidation, "timeoutMs"},
		{"buffering", `{"timeoutMs":0}`, 400, ErrValidation, "timeoutMs"},
		{"buffering", `{"maxItems":"many"}`, 400, ErrDeserialization, "maxItems"},
		{"destination", "", 400, ErrValidation, "destination.protocol is missing"},
		{"destination", `{"protocol":"UDP","port":1}`, 400, ErrValidation, "UDP"},
		{"destination", `{"protocol":"TCP"}`, 400, ErrValidation, "destination.port"},
		{"destination", `{"protocol":"TCP","port":65536}`, 400, ErrValidation, "65535"},
		{"destination", `{"protocol":"TCP","port":9001}`, 400, ErrValidation, "reserved"},
		{"destination", `{"protocol":"HTTP"}`, 400, ErrValidation, "destination.URI is missing"},
		{"destination", uri("http://sandbox:x"), 400, ErrValidation, "destination.URI is not a URI"},
		{"destination", uri("http://sandbox"), 400, ErrValidation, "port is not provided"},
		{"destination", uri("http://sandbox:9001"), 400, ErrValidation, "9001 is reserved"},
		{"destination", uri("http://sandbox:0"), 400, ErrValidation, "port 0"},
		{"destination", uri("http://sandbox:99999999999999999999"), 400, ErrValidation, "65535"},
		{"destination", uri("https://sandbox:8080"), 403, ErrAccessDenied, "https"},
		{"destination", uri("http://example.com:8080"), 403, ErrAccessDenied, "example.com"},
		{"destination", uri("http://169.254.169.254:80"), 403, ErrAccessDenied, "169.254.169.254"},
		{"destination", uri("http://sandbox@example.com:80"), 403, ErrAccessDenied, "example.com"},
		{"destination", `{"protocol":"HTTP","URI":"http://sandbox:80","method":"GET"}`, 400, ErrValidation, "method"},
		{"destination", `{"protocol":"HTTP","URI":"http://sandbox:80","encoding":"XML"}`, 400, ErrValidation, "encoding"},
	}
	for _, test := range tests {
		var members []string
		for field, value := range valid {
			if field != test.field {
				members = append(members, `"`+field+`":`+value)
			}
		}
		if test.value != "" {
			members = append(members, `"`+test.field+`":`+test.value)
		}
		_, err := DecodeSubscription([]byte("{" + strings.Join(members, ",") + "}"))
		if e := refusal(err); e.Status != test.status || e.Type != test.typ || !strings.Contains(e.Message, test.message) {
			t.Errorf("%s %s: %v", test.field, test.value, err)
		}
	}
	_, err := DecodeSubscription([]byte(`{}`))
	if m := refusal(err).Message; !strings.Contains(m, "schemaVersion") || !strings.Contains(m, "types") || !strings.Contains(m, "destination") {
		t.Errorf("not every fault is told: %s", m)
	}
	for _, body := range []string{"", "null garbage", "[]", `{"types"`} {
		if _, err := DecodeSubscription([]byte(body)); refusal(err).Type != ErrDeserialization {
			t.Errorf("%q: %v", body, err)
		}
	}
}

func TestDecodeRegistration(t *testing.T) {
	header := http.Header{}
	header.Set(HeaderName, "x")
	for body, want := range map[string]int{`{"events":["INVOKE","SHUTDOWN"]}`: 2, `{"events":[]}`: 0, `{}`: 0, `{"events":[],"configurationKeys":[],"more":1}`: 0} {
		if reg, err := DecodeRegistration(header, []byte(body)); err != nil || len(reg.Events) != want || reg.AccountID || reg.Name != "x" {
			t.Errorf("%s: %+v, %v", body, reg, err)
		}
	}
	header.Set(HeaderAcceptFeature, "unknown,accountId")
	if reg, err := DecodeRegistration(header, []byte(`{}`)); err != nil || !reg.AccountID {
		t.Errorf("feature: %+v, %v", reg, err)
	}
}

func TestEventJSON(t *testing.T) {
	ev := Event{EventType: Shutdown, DeadlineMs: 5, ShutdownReason: ReasonSpindown}
	b, err := json.Marshal(ev)
	if want := `{"eventType":"SHUTDOWN","deadlineMs":5,"shutdownReason":"spindown"}`; err != nil || string(b) != want {
		t.Errorf("got %s, %v; want %s", b, err, want)
	}
	if !ev.Deadline().Equal(time.UnixMilli(5)) {
		t.Errorf("deadline %v", ev.Deadline())
	}
}

// FuzzDecodeRegistration holds that a registration is refused with a shaped
// error or asks for known events only.
func FuzzDecodeRegistration(f *testing.F) {
	f.Add("x", "accountId", []byte(`{"events":["INVOKE","SHUTDOWN"]}`))
	f.Add("", "", []byte(`{"configurationKeys":[1]}`))
	f.Fuzz(func(t *testing.T, name, features string, body []byte) {
		reg, err := DecodeRegistration(http.Header{HeaderName: {name}, HeaderAcceptFeature: {features}}, body)
		if err != nil {
			if e := refusal(err); e.Status != http.StatusForbidden || e.Type == "" || e.Message == "" {
				t.Fatalf("%q: %#v", body, err)
			}
			return
		}
		for _, event := range reg.Events {
			if event != Invoke && event != Shutdown {
				t.Fatalf("%q: %v", body, reg)
			}
		}
		if reg.Name == "" {
			t.Fatalf("%q was accepted without a name", body)
		}
	})
}
