package lambdaapi

import (
	"encoding/json"
	"errors"
	"regexp"
	"testing"
	"unicode/utf8"
)

// FuzzCheckPayload holds that exactly JSON in UTF-8 is accepted and that the
// explanation of anything else stands.
func FuzzCheckPayload(f *testing.F) {
	f.Add([]byte(`{"a":[1,"é"]}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		err := CheckPayload(payload)
		if want := json.Valid(payload) && utf8.Valid(payload); (err == nil) != want {
			t.Fatalf("%q: %v", payload, err)
		}
		var own *Error
		if err != nil && (!errors.As(err, &own) || own.Code != CodeInvalidRequestContent || !utf8.ValidString(own.Message)) {
			t.Fatalf("%q: %v", payload, err)
		}
	})
}

// FuzzCreateFunctionRequest holds that whatever is sent ends in a request with
// all that is required, or in an error of the API.
func FuzzCreateFunctionRequest(f *testing.F) {
	f.Add([]byte(goodCreate))
	f.Fuzz(func(t *testing.T, body []byte) {
		var r CreateFunctionRequest
		err := Decode(body, &r)
		if err == nil {
			err = r.Validate()
		}
		if err == nil {
			if *r.FunctionName == "" && len(r.Code.ZipFile) == 0 || *r.Role == "" || r.Runtime == nil || r.Handler == nil {
				t.Fatalf("%q was accepted as %+v", body, r)
			}
			return
		}
		var own *Error
		if !errors.As(err, &own) || own.Status < 400 || own.Status > 499 || !json.Valid(own.Body()) {
			t.Fatalf("%q: %v", body, err)
		}
	})
}

// FuzzParseLayerName holds that a name that is accepted is one that can be stored,
// and that anything else ends in an error of the API.
func FuzzParseLayerName(f *testing.F) {
	f.Add("tools")
	f.Add("arn:aws:lambda:us-east-1:000000000000:layer:tools")
	f.Add("arn:aws:lambda:us-east-1:000000000000:layer:a:b")
	f.Fuzz(func(t *testing.T, name string) {
		n, err := ParseLayerName(name)
		var own *Error
		switch {
		case err == nil && !namePart.MatchString(n.Function):
			t.Fatalf("%q was accepted as %+v", name, n)
		case err != nil && !errors.As(err, &own):
			t.Fatalf("%q: %v", name, err)
		}
	})
}

var namePart = regexp.MustCompile(`^[a-zA-Z0-9-_]+$`)
