package lambdaapi

import (
	"errors"
	"strings"
	"testing"
)

func TestParseName(t *testing.T) {
	tests := []struct {
		in   string
		want Name
	}{
		{"f", Name{Function: "f"}},
		{"my-fn_2", Name{Function: "my-fn_2"}},
		{"f:live", Name{Function: "f", Qualifier: "live"}},
		{"f:$LATEST", Name{Function: "f", Qualifier: "$LATEST"}},
		{"f:$LATEST.PUBLISHED", Name{Function: "f", Qualifier: "$LATEST.PUBLISHED"}},
		{"f:42", Name{Function: "f", Qualifier: "42"}},
		{"function:f", Name{Function: "f"}},
		{"123456789012:function:f", Name{Account: "123456789012", Function: "f"}},
		{"123456789012:f:1", Name{Account: "123456789012", Function: "f", Qualifier: "1"}},
		{"123456789012:function:f:live", Name{Account: "123456789012", Function: "f", Qualifier: "live"}},
		{"us-east-1:123456789012:function:f", Name{Region: "us-east-1", Account: "123456789012", Function: "f"}},
		{"arn:aws:lambda:eu-central-1:123456789012:function:f", Name{Region: "eu-central-1", Account: "123456789012", Function: "f"}},
		{"arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:f:7", Name{Region: "us-gov-west-1", Account: "123456789012", Function: "f", Qualifier: "7"}},
		{"123456789012", Name{Function: "123456789012"}}, // a name may be all digits
	}
	for _, tt := range tests {
		got, err := ParseName(tt.in)
		if err != nil || got != tt.want {
			t.Errorf("ParseName(%q) = %+v, %v; want %+v", tt.in, got, err, tt.want)
		}
	}
}

func TestParseNameRefuses(t *testing.T) {
	const head = "1 validation error detected: Value "
	tests := []struct {
		parse    func(string) (Name, error)
		in       string
		code     string
		contains string
	}{
		{ParseManagedName, "invalid:function:name", CodeValidation,
			head + `'invalid:function:name' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?`},
		{ParseName, "arn:aws:lambda:us-east-1:123400000000@function:myfn", CodeValidation, `([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?`},
		{ParseName, strings.Repeat("a", 65), CodeInvalidParameter,
			head + "'" + strings.Repeat("a", 65) + "' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64"},
		{ParseManagedName, "arn:aws:lambda:us-east-1:123456789012:function:" + strings.Repeat("a", 141), CodeValidation, "Member must have length less than or equal to 140"},
		{ParseManagedName, strings.Repeat("!", 200), CodeValidation, "2 validation errors detected: "},
		{ParseName, "", CodeValidation, "2 validation errors detected: Value '' at 'functionName' failed to satisfy constraint: Member must have length greater than or equal to 1; Value ''"},
		{ParseName, "a/b", CodeValidation, "'a/b'"},
		{ParseName, "f\n", CodeValidation, "pattern"},
		{ParseManagedName, "a.b", CodeValidation, "pattern"},
		{ParseTagged, "arn:aws:something", CodeValidation, "'arn:aws:something' at 'resource' failed"},
		{ParseTagged, "f", CodeValidation, "at 'resource'"},
		{ParseTagged, "arn:aws:lambda:us-east-1:123456789012:function:f:1", CodeInvalidParameter, "Tags on function aliases and versions are not supported. Please specify a function ARN."},
		{ParseTagged, "arn:aws:lambda:us-east-1:123456789012:layer:x", CodeNotFound, "The resource you requested does not exist."},
	}
	for _, tt := range tests {
		_, err := tt.parse(tt.in)
		checkError(t, tt.in, err, tt.code, tt.contains)
	}
}

func TestQualifiersMustAgree(t *testing.T) {
	live := Name{Function: "f", Qualifier: "live"}
	for _, tt := range []struct {
		name      Name
		qualifier string
		want      string
	}{{live, "", "live"}, {live, "live", "live"}, {Name{Function: "f"}, "1", "1"}, {Name{Function: "f"}, "", ""}} {
		got, err := tt.name.WithQualifier(tt.qualifier)
		if err != nil || got.Qualifier != tt.want {
			t.Errorf("%+v.WithQualifier(%q) = %+v, %v", tt.name, tt.qualifier, got, err)
		}
	}
	_, err := live.WithQualifier("prod")
	checkError(t, "live and prod", err, CodeInvalidParameter, "The derived qualifier from the function name does not match the specified qualifier.")
	checkError(t, "qualified", live.Unqualified(), CodeInvalidParameter, "This operation is permitted on Lambda functions only.")
	if err := (Name{Function: "f"}).Unqualified(); err != nil {
		t.Errorf("an unqualified name was refused: %v", err)
	}
}

func TestParseQualifier(t *testing.T) {
	for _, ok := range []string{"", "1", "live", "$LATEST", "$LATEST.PUBLISHED"} {
		if got, err := ParseQualifier(ok); err != nil || got != ok {
			t.Errorf("ParseQualifier(%q) = %q, %v", ok, got, err)
		}
	}
	_, err := ParseQualifier("invalid-qualifier-with-?-char")
	checkError(t, "?", err, CodeValidation, `1 validation error detected: Value 'invalid-qualifier-with-?-char' at 'qualifier' failed to satisfy constraint: Member must satisfy regular expression pattern: \$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+`)
	_, err = ParseQualifier(strings.Repeat("a", 129))
	checkError(t, "long", err, CodeValidation, "Member must have length less than or equal to 128")
}

func TestOtherRegionsAndAccounts(t *testing.T) {
	const region, account = "us-east-1", "000000000000"
	for _, n := range []Name{{Function: "f"}, {Region: region, Account: account, Function: "f"}, {Account: account, Function: "f"}} {
		if err := n.In(region, account); err != nil {
			t.Errorf("%+v was refused: %v", n, err)
		}
	}
	err := Name{Region: "ap-southeast-1", Account: account, Function: "f"}.In(region, account)
	checkError(t, "region", err, CodeNotFound, "Functions from 'ap-southeast-1' are not reachable in this region ('us-east-1')")
	err = Name{Account: "111111111111", Function: "f", Qualifier: "1"}.In(region, account)
	checkError(t, "account", err, CodeNotFound, "Function not found: arn:aws:lambda:us-east-1:111111111111:function:f:1")
}

// FuzzParseName holds that an accepted name is safe to use as a key and in an
// ARN, and that the ARN made of it reads back as the same name.
func FuzzParseName(f *testing.F) {
	f.Add("f:live")
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseName(s)
		if err != nil {
			var own *Error
			if !errors.As(err, &own) || own.Status != 400 {
				t.Fatalf("ParseName(%q): %v is not an error of the API", s, err)
			}
			return
		}
		if n.Function == "" || len(n.Function) > maxBareName || strings.ContainsAny(n.Function, ":/ \n\x00") {
			t.Fatalf("ParseName(%q) accepted the name %q", s, n.Function)
		}
		full := n
		full.Region, full.Account = "us-east-1", "000000000000"
		arn := "arn:aws:lambda:us-east-1:000000000000:function:" + n.Function
		if n.Qualifier != "" {
			arn += ":" + n.Qualifier
		}
		if again, err := ParseName(arn); err != nil || again != full {
			t.Fatalf("ParseName(%q) = %+v, but its ARN %q reads as %+v, %v", s, n, arn, again, err)
		}
	})
}

func checkError(t *testing.T, what string, err error, code, contains string) {
	t.Helper()
	var own *Error
	if !errors.As(err, &own) {
		t.Errorf("%s: error %v, want %s", what, err, code)
		return
	}
	if own.Code != code || !strings.Contains("^"+own.Message, contains) { // "^" marks the beginning
		t.Errorf("%s: error %s %q, want %s with %q", what, own.Code, own.Message, code, contains)
	}
}
