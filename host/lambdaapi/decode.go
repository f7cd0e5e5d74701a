package lambdaapi

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Blob is binary data, base64 in JSON.
type Blob []byte

// UnmarshalJSON reads base64; the error is a SerializationException.
func (b *Blob) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	if data[0] != '"' {
		return Errorf(CodeSerialization, "ZipFile must be a string in base64")
	}
	text := data[1 : len(data)-1]
	if bytes.IndexByte(text, '\\') >= 0 { // some writers of JSON escape the slash
		var plain string
		if err := json.Unmarshal(data, &plain); err != nil {
			return err
		}
		text = []byte(plain)
	}
	// Decoded where it lies: a package may have 50 MB.
	plain := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(plain, text)
	if err != nil {
		var bad base64.CorruptInputError
		errors.As(err, &bad)
		return Errorf(CodeSerialization, "ZipFile is not valid base64 (at character %d)", int64(bad))
	}
	*b = plain[:n]
	return nil
}

// Decode reads the JSON body of a request into a shape. An empty body is an
// empty request; members that the shape does not know are ignored, as the
// service does. The error is a SerializationException that names the member.
func Decode(body []byte, into any) error {
	if len(body) == 0 {
		return nil
	}
	err := json.Unmarshal(body, into)
	var typed *json.UnmarshalTypeError
	var own *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		return own
	case errors.As(err, &typed):
		field := embedded.Replace(typed.Field)
		if field == "" {
			field = "The request"
		}
		return Errorf(CodeSerialization, "%s cannot be read: a JSON %s cannot be converted to %s", field, typed.Value, kind(typed.Type))
	}
	return Errorf(CodeSerialization, "Could not parse request body into json: %s", explain(body))
}

// embedded takes the names of embedded Go types out of a path of members.
var embedded = strings.NewReplacer("FunctionSettings.", "", "Unsupported.", "", "FunctionCode.", "")

// kind names a Go type as a user of JSON would.
func kind(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Int, reflect.Int64:
		return "an integer"
	case reflect.Float64:
		return "a number"
	case reflect.Bool:
		return "a boolean"
	case reflect.Slice:
		return "an array"
	default:
		return "an object"
	}
}

// CheckPayload holds the payload of an invocation: it must be JSON in UTF-8. The
// error is an InvalidRequestContentException that says where it stops being so.
func CheckPayload(payload []byte) error {
	if json.Valid(payload) && utf8.Valid(payload) {
		return nil
	}
	return Errorf(CodeInvalidRequestContent, "Could not parse request body into json: Could not parse payload into json: %s", explain(payload))
}

// explain says why something is not JSON, with line and column as the service
// does; both count from 1, columns in bytes.
func explain(text []byte) string {
	offset := len(text)
	why := "Unexpected end-of-input"
	if bad := invalidUTF8(text); bad >= 0 {
		offset, why = bad, fmt.Sprintf("Invalid UTF-8 start byte 0x%02x", text[bad])
	}
	var syntax *json.SyntaxError
	var raw json.RawMessage
	if errors.As(json.Unmarshal(text, &raw), &syntax) && int(syntax.Offset) <= offset && syntax.Offset > 0 && !ended(text, syntax) {
		offset = int(syntax.Offset) - 1
		why = "Unexpected character (" + character(text[offset]) + "): " + syntax.Error()
	}
	line, column := 1, 1
	for _, c := range text[:offset] {
		column++
		if c == '\n' {
			line, column = line+1, 1
		}
	}
	return fmt.Sprintf("%s\n at [line: %d, column: %d]", why, line, column)
}

// ended tells whether the text was merely too short.
func ended(text []byte, err *json.SyntaxError) bool {
	return int(err.Offset) >= len(text) && err.Error() == "unexpected end of JSON input"
}

func invalidUTF8(text []byte) int {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size <= 1 {
			return i
		}
		i += size
	}
	return -1
}

// character writes a byte as the service's parser does: ('x' (code 120)).
func character(c byte) string {
	if c < ' ' || c >= 0x7f {
		return "(CTRL-CHAR, code " + strconv.Itoa(int(c)) + ")"
	}
	return fmt.Sprintf("'%c' (code %d)", c, c)
}
