package attachment

import (
	"strings"
	"testing"
)

func TestAttachmentsChooseFunctions(t *testing.T) {
	for _, c := range []struct {
		functions []string
		name      string
		want      bool
	}{
		{nil, "any", true},
		{[]string{"orders-*", "exact"}, "orders-eu", true},
		{[]string{"orders-*", "exact"}, "exact", true},
		{[]string{"orders-*", "exact"}, "exactly", false},
	} {
		if got := (Attachment{Functions: c.functions}).To(c.name); got != c.want {
			t.Errorf("%v to %s: %v", c.functions, c.name, got)
		}
	}
}

func TestFaultsAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		`{"functions":["a["]}`:           `functions[0]: "a["`,
		`{"functions":[""]}`:             `functions[0]: ""`,
		`{"environment":{"A-B":"x"}}`:    `environment: "A-B"`,
		`{"environment":{"A":"\u0000"}}`: `environment: "A"`,
		`{"function":["a"]}`:             `x.json: json: unknown field "function"`,
		`{"functions":"a"}`:              `x.json: json: cannot unmarshal string into Go struct field Attachment.functions`,
		`{} {}`:                          `x.json: there is more after the object`,
		``:                               `x.json: EOF`,
		`{"functions":["a*"],"environment":{"A":"b"}}`: "",
	} {
		var a Attachment
		err := Decode("x.json", []byte(text), &a)
		if err == nil {
			err = a.Validate()
		}
		if want == "" && err == nil {
			continue
		}
		if err == nil || want == "" || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"functions":["a*"],"environment":{"A":"b"}}`))
	f.Add([]byte(`{"functions":["["]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var a Attachment
		if Decode("x.json", data, &a) == nil && a.Validate() == nil {
			a.To("name") // whatever was accepted can be used
		}
	})
}
