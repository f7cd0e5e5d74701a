package otelsink

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
)

// guestTraces is OTLP's ExportTraceServiceRequest in JSON, as far as it is passed on
// (opentelemetry.io/docs/specs/otlp, "JSON Protobuf Encoding"). What is not known is
// skipped. Links and trace states of a guest are not passed on.
type guestTraces struct {
	ResourceSpans []struct {
		Resource   struct{ Attributes guestAttributes }
		ScopeSpans []struct {
			Scope struct{ Name, Version string }
			Spans []guestSpan
		}
	}
}

type guestSpan struct {
	TraceID      guestID `json:"traceId"`
	SpanID       guestID `json:"spanId"`
	ParentSpanID guestID `json:"parentSpanId"`
	Name         string
	Kind         guestEnum
	Start        guestInt `json:"startTimeUnixNano"`
	End          guestInt `json:"endTimeUnixNano"`
	Attributes   guestAttributes
	Events       []struct {
		Time       guestInt `json:"timeUnixNano"`
		Name       string
		Attributes guestAttributes
	}
	Status struct {
		Code    guestEnum
		Message string
	}
}

// guestID is a trace or span id: hexadecimal in OTLP, and base64 where a program has
// encoded the protobuf message as JSON without knowing that.
type guestID string

// fill decodes the id into b; false if it is none of that length, or all zeros.
func (id guestID) fill(b []byte) bool {
	decoded, err := hex.DecodeString(string(id))
	if len(id) != 2*len(b) {
		decoded, err = base64.StdEncoding.DecodeString(string(id))
	}
	if err != nil || len(decoded) != len(b) {
		return false
	}
	zeros := true
	for _, one := range decoded {
		zeros = zeros && one == 0
	}
	copy(b, decoded)
	return !zeros
}

// guestInt is an integer of 64 bits, which JSON has as a string or as a number.
type guestInt int64

// UnmarshalJSON refuses what does not fit.
func (n *guestInt) UnmarshalJSON(b []byte) error {
	value, err := strconv.ParseInt(strings.Trim(string(b), `"`), 10, 64)
	if err != nil {
		return fmt.Errorf("integer: %w", err)
	}
	*n = guestInt(value)
	return nil
}

// guestEnum is a value of SpanKind or StatusCode, by number or by name.
type guestEnum int

// guestEnums are the names of the numbers.
var guestEnums = map[string]guestEnum{
	"SPAN_KIND_INTERNAL": 1, "SPAN_KIND_SERVER": 2, "SPAN_KIND_CLIENT": 3, "SPAN_KIND_PRODUCER": 4, "SPAN_KIND_CONSUMER": 5,
	"STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2,
}

// UnmarshalJSON takes what is unknown for unspecified.
func (e *guestEnum) UnmarshalJSON(b []byte) error {
	if n, err := strconv.Atoi(string(b)); err == nil && n >= 0 && n <= 5 {
		*e = guestEnum(n)
		return nil
	}
	*e = guestEnums[strings.Trim(string(b), `"`)]
	return nil
}

// guestAttributes are a list of OTLP's KeyValue.
type guestAttributes []struct {
	Key   string
	Value guestValue
}

// guestValue is OTLP's AnyValue.
type guestValue struct {
	StringValue *string
	BoolValue   *bool
	IntValue    *guestInt
	DoubleValue *guestFloat
	BytesValue  []byte
	ArrayValue  *struct{ Values []guestValue }
	KvlistValue *struct{ Values guestAttributes }
}

// guestFloat is a number, or the name of one that JSON cannot write.
type guestFloat float64

// UnmarshalJSON reads NaN and the infinities too.
func (f *guestFloat) UnmarshalJSON(b []byte) error {
	switch text := strings.Trim(string(b), `"`); text {
	case "NaN":
		*f = guestFloat(math.NaN())
	case "Infinity":
		*f = guestFloat(math.Inf(1))
	case "-Infinity":
		*f = guestFloat(math.Inf(-1))
	default:
		return json.Unmarshal([]byte(text), (*float64)(f))
	}
	return nil
}

// list returns at most [maxGuestAttributes].
func (a guestAttributes) list() []attribute.KeyValue {
	list := make([]attribute.KeyValue, 0, min(len(a), maxGuestAttributes)+1)
	for _, pair := range a[:min(len(a), maxGuestAttributes)] {
		list = append(list, attribute.KeyValue{Key: attribute.Key(pair.Key), Value: pair.Value.value()})
	}
	return list
}

func (v guestValue) value() attribute.Value {
	switch {
	case v.StringValue != nil:
		return attribute.StringValue(*v.StringValue)
	case v.BoolValue != nil:
		return attribute.BoolValue(*v.BoolValue)
	case v.IntValue != nil:
		return attribute.Int64Value(int64(*v.IntValue))
	case v.DoubleValue != nil:
		return attribute.Float64Value(float64(*v.DoubleValue))
	case v.BytesValue != nil:
		return attribute.ByteSliceValue(v.BytesValue)
	case v.ArrayValue != nil:
		values := make([]attribute.Value, len(v.ArrayValue.Values))
		for i, one := range v.ArrayValue.Values {
			values[i] = one.value()
		}
		return attribute.SliceValue(values...)
	case v.KvlistValue != nil:
		return attribute.MapValue(v.KvlistValue.Values.list()...)
	}
	return attribute.Value{}
}
