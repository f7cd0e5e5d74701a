package lambdaapi

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"testing"
)

// Status, member of the message and presence of Type per code, from the API
// model and from answers of the service.
func TestErrorForms(t *testing.T) {
	tests := []struct {
		code   string
		status int
		keys   []string
	}{
		{CodeInvalidParameter, 400, []string{"Type", "message"}},
		{CodeInvalidRequestContent, 400, []string{"Type", "message"}},
		{CodeValidation, 400, []string{"message"}},
		{CodeSerialization, 400, []string{"Message", "Type"}},
		{CodeNotFound, 404, []string{"Message", "Type"}},
		{CodeUnknownOperation, 404, []string{"Message", "Type"}},
		{CodeMethodNotAllowed, 405, []string{"Message", "Type"}},
		{CodeConflict, 409, []string{"Type", "message"}},
		{CodePrecondition, 412, []string{"Type", "message"}},
		{CodeRequestTooLarge, 413, []string{"Type", "message"}},
		{CodeEntityTooLarge, 413, []string{"message"}},
		{CodeUnsupportedMediaType, 415, []string{"Type", "message"}},
		{CodeAccessDenied, 403, []string{"Message"}},
		{CodeTooManyRequests, 429, []string{"Type", "message"}},
		{CodeCodeSigningNotFound, 404, []string{"Message", "Type"}},
		{CodeSnapStart, 400, []string{"Message", "Type"}},
		{CodeSnapStartNotReady, 409, []string{"Message", "Type"}},
		{CodeSnapStartTimeout, 408, []string{"Message", "Type"}},
		{CodeService, 500, []string{"Message", "Type"}},
	}
	if len(tests) != len(forms) {
		t.Errorf("%d codes are tested, there are %d", len(tests), len(forms))
	}
	for _, tt := range tests {
		e := Errorf(tt.code, "value %d", 7)
		var body map[string]string
		if err := json.Unmarshal(e.Body(), &body); err != nil {
			t.Fatal(err)
		}
		keys := slices.Sorted(maps.Keys(body))
		if e.Status != tt.status || !slices.Equal(keys, tt.keys) {
			t.Errorf("%s: status %d, members %v; want %d, %v", tt.code, e.Status, keys, tt.status, tt.keys)
		}
		header := http.Header{}
		header.Set(HeaderErrorType, e.Code)
		if got := ReadError(e.Status, header, e.Body()); *got != *e {
			t.Errorf("%s reads back as %+v, was %+v", tt.code, got, e)
		}
	}
}

func TestUnknownCodeIsTheServicesFault(t *testing.T) {
	if e := Errorf("Nonsense", "x"); e.Status != 500 || e.Code != CodeService || e.Type != "Service" {
		t.Errorf("%+v", e)
	}
}

func TestThrottleCarriesItsReason(t *testing.T) {
	e := Errorf(CodeTooManyRequests, "Rate Exceeded.")
	e.Reason = "ConcurrentInvocationLimitExceeded"
	const want = `{"Reason":"ConcurrentInvocationLimitExceeded","Type":"User","message":"Rate Exceeded."}`
	if got := string(e.Body()); got != want {
		t.Errorf("body %s, want %s", got, want)
	}
}

func TestReadErrorOfAProxy(t *testing.T) {
	e := ReadError(502, http.Header{"Retry-After": {"7"}}, []byte("<html>bad gateway"))
	want := Error{Code: "Bad Gateway", Status: 502, Message: "HTTP status 502", RetryAfter: 7}
	if *e != want {
		t.Errorf("%+v, want %+v", *e, want)
	}
	if !errors.As(error(e), new(*Error)) {
		t.Error("not an *Error")
	}
}
