package extapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lambent-host/lambent/telemetry"
)

// Protocols of a telemetry destination.
const (
	ProtocolHTTP = "HTTP"
	ProtocolTCP  = "TCP"
)

// ReservedPort cannot be a destination: on Lambda it belongs to the runtime.
const ReservedPort = 9001

// Bounds and defaults of buffering, from the Telemetry API reference.
const (
	MinItems       = 1000
	DefaultItems   = 10000
	MaxItems       = 10000
	MinBytes       = 262144
	DefaultBytes   = 262144
	MaxBytes       = 1048576
	MinTimeout     = 25 * time.Millisecond
	DefaultTimeout = time.Second
	MaxTimeout     = 30 * time.Second
)

// Answers to an accepted subscription; on the wire they are JSON strings.
const (
	SubscriptionOK      = "OK"
	SubscriptionAlready = "AlreadySubscribed"
)

// Subscription is a checked subscription with its defaults filled in. Its schema
// tells which of the two APIs it was made through.
type Subscription struct {
	Schema      telemetry.Schema
	Types       []telemetry.Category
	Buffering   Buffering
	Destination Destination
}

// Equal tells whether two subscriptions ask for the same. The order of the types
// has no meaning.
func (s Subscription) Equal(other Subscription) bool {
	return s.Schema == other.Schema && len(s.Types) == len(other.Types) &&
		!slices.ContainsFunc(s.Types, func(t telemetry.Category) bool { return !slices.Contains(other.Types, t) }) &&
		s.Buffering == other.Buffering && s.Destination.Method == other.Destination.Method && s.Destination.Same(other.Destination)
}

// Errors tells how the API of the subscription calls its faults.
func (s Subscription) Errors() SubscriptionErrors {
	if s.Schema.Logs() {
		return logsErrors
	}
	return telemetryErrors
}

// Buffering tells when a batch leaves: as soon as one of the three is reached.
type Buffering struct {
	MaxItems int
	MaxBytes int
	Timeout  time.Duration
}

// Destination is where batches go. The host in URI always means the execution
// environment itself.
type Destination struct {
	Protocol string // ProtocolHTTP or ProtocolTCP
	URI      string // HTTP only
	Method   string // HTTP only: POST or PUT
	Port     int
}

// Same tells whether what is sent to one destination arrives at the other. The
// names of the host all mean the same one.
func (d Destination) Same(other Destination) bool {
	return d.Protocol == other.Protocol && d.Port == other.Port && target(d.URI) == target(other.URI)
}

// target is what a request to the URI asks for.
func target(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return uri
	}
	return u.RequestURI()
}

// SubscriptionRequest is the body of a subscription as an extension writes it.
type SubscriptionRequest struct {
	SchemaVersion telemetry.Schema     `json:"schemaVersion"`
	Types         []telemetry.Category `json:"types"`
	Buffering     *BufferingRequest    `json:"buffering,omitempty"`
	Destination   DestinationRequest   `json:"destination"`
}

// BufferingRequest leaves out what shall have its default.
type BufferingRequest struct {
	MaxItems  *int `json:"maxItems,omitempty"`
	MaxBytes  *int `json:"maxBytes,omitempty"`
	TimeoutMs *int `json:"timeoutMs,omitempty"`
}

// DestinationRequest is an HTTP destination with a URI or a TCP one with a port.
type DestinationRequest struct {
	Protocol string `json:"protocol"`
	URI      string `json:"URI,omitempty"`
	Method   string `json:"method,omitempty"`
	Encoding string `json:"encoding,omitempty"`
	Port     int    `json:"port,omitempty"`
}

// DecodeSubscription checks the body of a subscription to the Telemetry API. All
// faults are told at once, each with its field; errors are [*Error]. Unknown
// fields are ignored and names are read in any case, as Lambda does: extensions
// send some.
func DecodeSubscription(body []byte) (Subscription, error) {
	return decodeSubscription(body, telemetryErrors, func(schema telemetry.Schema, faults *faults) telemetry.Schema {
		switch {
		case schema == "":
			faults.add("schemaVersion is missing")
		case !schema.Valid():
			faults.add("schemaVersion %q is not supported: use %s, %s or %s", schema,
				telemetry.Schema20220701, telemetry.Schema20221213, telemetry.Schema20250129)
		}
		return schema
	})
}

// DecodeLogsSubscription checks the body of a subscription to the Logs API, which
// is the same but for the schema versions: it has its own, and one is the default.
func DecodeLogsSubscription(body []byte) (Subscription, error) {
	return decodeSubscription(body, logsErrors, func(schema telemetry.Schema, faults *faults) telemetry.Schema {
		switch {
		case schema == "":
			return telemetry.LogsSchema20200815
		case !schema.Logs():
			faults.add("schemaVersion %q is not supported: use %s or %s", schema,
				telemetry.LogsSchema20200815, telemetry.LogsSchema20210318)
		}
		return schema
	})
}

func decodeSubscription(body []byte, errs SubscriptionErrors, schema func(telemetry.Schema, *faults) telemetry.Schema) (Subscription, error) {
	var in SubscriptionRequest
	if err := json.Unmarshal(body, &in); err != nil {
		return Subscription{}, BadRequest(errs.Deserialization, "body is not a subscription: %v", err)
	}
	var faults faults
	sub := Subscription{Schema: schema(in.SchemaVersion, &faults), Types: in.Types}
	checkTypes(in.Types, &faults)
	sub.Buffering = in.Buffering.check(&faults)
	var denied string
	sub.Destination, denied = in.Destination.check(&faults)
	switch {
	case len(faults) > 0:
		return Subscription{}, BadRequest(errs.Validation, "%s", strings.Join(faults, "; "))
	case denied != "":
		return Subscription{}, Forbidden(errs.AccessDenied, "%s", denied)
	}
	return sub, nil
}

type faults []string

func (f *faults) add(format string, args ...any) { *f = append(*f, fmt.Sprintf(format, args...)) }

func checkTypes(types []telemetry.Category, faults *faults) {
	if len(types) == 0 {
		faults.add("types should not be empty")
	}
	for i, t := range types {
		switch t {
		case telemetry.CategoryPlatform, telemetry.CategoryFunction, telemetry.CategoryExtension:
		default:
			faults.add("types: %q is not one of platform, function, extension", t)
		}
		if slices.Contains(types[:i], t) {
			faults.add("types: %q is there twice", t)
		}
	}
}

func (b *BufferingRequest) check(faults *faults) Buffering {
	if b == nil {
		b = &BufferingRequest{}
	}
	return Buffering{
		MaxItems: inRange("maxItems", b.MaxItems, MinItems, DefaultItems, MaxItems, faults),
		MaxBytes: inRange("maxBytes", b.MaxBytes, MinBytes, DefaultBytes, MaxBytes, faults),
		Timeout: time.Millisecond * time.Duration(inRange("timeoutMs", b.TimeoutMs, int(MinTimeout.Milliseconds()),
			int(DefaultTimeout.Milliseconds()), int(MaxTimeout.Milliseconds()), faults)),
	}
}

func inRange(field string, value *int, low, normal, high int, faults *faults) int {
	switch {
	case value == nil:
		return normal
	case *value < low || *value > high:
		faults.add("buffering.%s is %d: it must be from %d to %d", field, *value, low, high)
	}
	return *value
}

// check tells, beside the faults, why the destination is not allowed.
func (d DestinationRequest) check(faults *faults) (_ Destination, denied string) {
	switch d.Protocol {
	case ProtocolHTTP:
		return d.checkHTTP(faults)
	case ProtocolTCP:
		checkPort("destination.port", d.Port, faults)
		return Destination{Protocol: ProtocolTCP, Port: d.Port}, ""
	case "":
		faults.add("destination.protocol is missing")
	default:
		faults.add("destination.protocol %q is not HTTP or TCP", d.Protocol)
	}
	return Destination{}, ""
}

func (d DestinationRequest) checkHTTP(faults *faults) (_ Destination, denied string) {
	out := Destination{Protocol: ProtocolHTTP, URI: d.URI, Method: d.Method}
	switch d.Method {
	case "":
		out.Method = http.MethodPost
	case http.MethodPost, http.MethodPut:
	default:
		faults.add("destination.method %q is not POST or PUT", d.Method)
	}
	if d.Encoding != "" && d.Encoding != "JSON" {
		faults.add("destination.encoding %q is not JSON", d.Encoding)
	}
	if d.URI == "" {
		faults.add("destination.URI is missing")
		return out, ""
	}
	u, err := url.Parse(d.URI)
	if err != nil {
		faults.add("destination.URI is not a URI")
		return out, ""
	}
	if u.Port() == "" {
		faults.add("destination.URI: port is not provided")
	} else {
		out.Port, _ = strconv.Atoi(u.Port()) // a number that does not fit is out of range, too
		checkPort("destination.URI: port", out.Port, faults)
	}
	switch {
	case u.Scheme != "http":
		return out, fmt.Sprintf("destination.URI: scheme %q is not http", u.Scheme)
	case !isSandbox(u.Hostname()):
		return out, fmt.Sprintf("destination.URI: host %q is not sandbox.localdomain", u.Hostname())
	}
	return out, ""
}

func checkPort(field string, port int, faults *faults) {
	switch {
	case port < 1 || port > 65535:
		faults.add("%s %d is not from 1 to 65535", field, port)
	case port == ReservedPort:
		faults.add("%s %d is reserved", field, port)
	}
}

// isSandbox tells whether a host name means the execution environment. Lambda's
// documentation knows sandbox and sandbox.localdomain, in use are all four.
func isSandbox(host string) bool {
	switch strings.ToLower(host) {
	case "sandbox", "sandbox.localdomain", "localhost", "127.0.0.1":
		return true
	}
	return false
}
