// Package telemetry is what happened: the events of an execution environment in
// the shapes of Lambda's Telemetry API, and the [Bus] that carries them to
// whoever subscribed.
//
// A publisher opens one [Stream] per execution environment and is never blocked
// by a reader. A reader holds a [Subscription] with a bounded buffer; when it
// falls behind it loses its own newest events and is told so with one
// platform.logsDropped. The package starts no goroutine.
//
// Function and extension output becomes events through a [LineWriter]. The
// records and their JSON names are in records.go, what differs between schema
// versions in schema.go. Read next: bus.go, then package extensions, which
// delivers the events to extension processes.
package telemetry

import (
	"encoding/json"
	"time"
)

// Type names what happened, for instance "platform.start".
type Type string

// Types of events, from the Telemetry API's event schema reference.
const (
	TypeInitStart             Type = "platform.initStart"
	TypeInitRuntimeDone       Type = "platform.initRuntimeDone"
	TypeInitReport            Type = "platform.initReport"
	TypeRestoreStart          Type = "platform.restoreStart"
	TypeRestoreRuntimeDone    Type = "platform.restoreRuntimeDone"
	TypeRestoreReport         Type = "platform.restoreReport"
	TypeStart                 Type = "platform.start"
	TypeRuntimeDone           Type = "platform.runtimeDone"
	TypeReport                Type = "platform.report"
	TypeExtensionState        Type = "platform.extension"
	TypeTelemetrySubscription Type = "platform.telemetrySubscription"
	TypeLogsDropped           Type = "platform.logsDropped"
	// TypeFunction is a line that the function wrote; its record is a string, or
	// a json.RawMessage holding an object.
	TypeFunction Type = "function"
	// TypeExtension is a line that an extension wrote.
	TypeExtension Type = "extension"
)

// Category is what a subscriber chooses from.
type Category string

// The categories of the Telemetry API.
const (
	CategoryPlatform  Category = "platform"
	CategoryFunction  Category = "function"
	CategoryExtension Category = "extension"
)

// categories is a set of them.
type categories uint32

// setOf returns the set of some; of none, it is the set of all, as for a subscriber.
func setOf(some []Category) categories {
	if len(some) == 0 {
		return ^categories(0)
	}
	var set categories
	for _, c := range some {
		set |= c.bit()
	}
	return set
}

func (c Category) bit() categories {
	switch c {
	case CategoryPlatform:
		return 1
	case CategoryFunction:
		return 2
	case CategoryExtension:
		return 4
	}
	return 0
}

// wantedBy is what any of the subscriptions takes.
func wantedBy(subs []*Subscription) categories {
	var set categories
	for _, sub := range subs {
		set |= sub.categories
	}
	return set
}

// Category tells which category a type belongs to.
func (t Type) Category() Category {
	switch t {
	case TypeFunction:
		return CategoryFunction
	case TypeExtension:
		return CategoryExtension
	default:
		return CategoryPlatform
	}
}

// Event is one thing that happened. An Event is immutable once it is published:
// all subscribers share its record.
type Event struct {
	Time time.Time
	Type Type
	// Record is one of the record structs of this package, a string, or a
	// json.RawMessage.
	Record any
	// Source is the stream the event came from. EncodeFrom and MarshalJSON tell it, without
	// the function's name; an event decoded from another JSON form has none.
	Source *Source

	shared shared // with the other readers; nil if there are none
	weight int    // in a buffer; 0 means its size
}

// timeLayout is RFC 3339 in UTC with exactly three decimals, as the Telemetry
// API writes every time.
const timeLayout = "2006-01-02T15:04:05.000Z"

// FormatTime writes t as the Telemetry API does: RFC 3339, UTC, milliseconds.
func FormatTime(t time.Time) string { return t.UTC().Format(timeLayout) }

// MarshalJSON writes the event in schema version 2022-12-13, with its source.
func (e Event) MarshalJSON() ([]byte, error) { return e.EncodeFrom(Schema20221213) }

// size is what an event counts for in a bounded buffer, in bytes: the length of
// a log line plus a flat sum, or the flat sum alone. Encoding each event to
// learn its exact size would put the cost on the publisher.
func (e Event) size() int {
	const flat = 256
	switch r := e.Record.(type) {
	case string:
		return flat + len(r)
	case json.RawMessage:
		return flat + len(r)
	default:
		return flat
	}
}

// Millis is a duration in milliseconds. Its JSON form has at most three
// decimals, which is the microsecond precision that Lambda reports.
type Millis float64

// Milliseconds converts a duration, rounded to microseconds.
func Milliseconds(d time.Duration) Millis {
	return Millis(float64(d.Round(time.Microsecond).Microseconds()) / 1000)
}

// Duration converts back.
func (m Millis) Duration() time.Duration {
	return time.Duration(float64(m) * float64(time.Millisecond))
}

// MarshalJSON writes three decimals.
func (m Millis) MarshalJSON() ([]byte, error) {
	return m.append(nil), nil
}
