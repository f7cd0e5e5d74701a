package sdk_test

import (
	"context"
	"reflect"
	"testing"
	"time"

	"github.com/lambent-host/lambent/extensions/sdk"
	"github.com/lambent-host/lambent/telemetry"
)

// Each function gets the records of its type, whatever functions there will be.
func TestEveryHandlerGetsItsRecord(t *testing.T) {
	handlers := reflect.TypeFor[sdk.Handlers]()
	at := time.Unix(7, 0)
	typed := 0
	for field := range handlers.Fields() {
		if field.Type.NumIn() != 3 || field.Type.In(1) != reflect.TypeFor[time.Time]() {
			continue // Log, Other, Done
		}
		typed++
		record := reflect.New(field.Type.In(2)).Elem()
		got := 0
		h := sdk.Handlers{Other: func(context.Context, telemetry.Event) error {
			t.Errorf("%s: its record went to Other", field.Name)
			return nil
		}}
		reflect.ValueOf(&h).Elem().FieldByIndex(field.Index).Set(reflect.MakeFunc(field.Type, func(args []reflect.Value) []reflect.Value {
			got++
			if args[1].Interface() != at || args[2].Type() != record.Type() {
				t.Errorf("%s: called with %v", field.Name, args)
			}
			return []reflect.Value{reflect.Zero(reflect.TypeFor[error]())}
		}))
		ev := telemetry.Event{Time: at, Type: "platform.any", Record: record.Interface()}
		if err := h.Handle(t.Context(), []telemetry.Event{ev}); err != nil || got != 1 {
			t.Errorf("%s: called %d times, %v", field.Name, got, err)
		}
	}
	if typed != 12 { // one for each platform event of schema 2022-12-13
		t.Errorf("%d functions have a record of their own", typed)
	}
}
